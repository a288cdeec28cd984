"""Calls to the outside, against hostile servers on loopback."""
