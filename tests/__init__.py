"""The tests mirror the code: `tests/domain/test_query.py` proves the rules of `gateway/domain/query.py`."""
