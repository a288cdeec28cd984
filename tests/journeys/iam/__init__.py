"""Counterparts of the journeys; each runs as a script in .venv-iam, an environment that shares no package with us."""
