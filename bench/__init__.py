"""Benchmarks, as ratios to plain Flask on the same server in the same run: `make bench`."""
