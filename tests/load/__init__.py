"""Proof under load and faults, by real processes: `make verify` runs it last and alone (marker `load`); MOONGATE_LOAD_SECONDS shortens it.

`cluster` runs gateways behind nginx, workers, PostgreSQL, Valkey and a mail server, and breaks them; `outside` plays the organisation's
provider and the apps; `stage` fills a new database with what administrators set up; `wire` sends requests and `ledger` notes how each one
went. The load: `directory` pushes people and groups, `people` sign on, `office` sends mails. `faults` breaks one thing after the other, and
`verdicts` compares what was acknowledged with what is there. The kill switch has a test of its own.
"""
