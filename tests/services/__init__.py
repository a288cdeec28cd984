"""Use cases, each through its one function, on a real database with a steerable clock."""
