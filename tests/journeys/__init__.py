"""Whole stories with real processes and a real browser."""
