"""What the cellar promises, on a real database file."""
