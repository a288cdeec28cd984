"""Rules of the ground: pure functions, no database, no clock."""
