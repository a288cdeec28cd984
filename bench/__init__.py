"""Benchmarks: the gateway under load, as ratios to plain Flask on the same server in the same run (`make bench`). Not tests.

`load` is the load generator, `servers` starts what is measured and reads its processor time, `databases` are the engines, `population`
fills one (`bulk` by writing its tables), `scenarios` says what clients do, `browser` signs somebody in, `table` runs the interleaved rounds
and prints the medians. Two more commands: `compare` sets two gateways beside each other, `initial_cycle` pushes a whole company.
"""
