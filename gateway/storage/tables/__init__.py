"""The tables as queries see them. Migrations alone make and change tables; a test holds the two together."""
