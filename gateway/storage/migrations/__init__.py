"""Numbered migrations, `NNNN_name.sql`, each run once, in order, under a lock that several starting processes share."""
