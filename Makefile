# The commands of README.md. Each works on a fresh machine with Python >= 3.11 and make, and prints its steps.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test verify bench check format browser nginx lock clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
WORKERS ?= 2

BIN := .venv/bin
CODE := gateway scim federation tests bench wsgi.py
INSTALL := -m pip --disable-pip-version-check install --quiet
step = @printf '\n== %s\n' '$(1)'

help: ## lists these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

demo: .venv/runtime.stamp ## everything running on http://localhost:8000 with SQLite; PORT=... for another port
	@$(BIN)/moongate demo --port $(PORT)

test: check .venv-iam/stamp browser ## format, lint, types, contracts, tests; at most 10 minutes on 2 cores
	$(call step,tests)
	@$(BIN)/pytest -n $(WORKERS)
	$(call step,storage and services and SCIM on PostgreSQL)
	@MOONGATE_TEST_DATABASE=postgresql $(BIN)/pytest -n $(WORKERS) tests/storage tests/services tests/scim

verify: check .venv-iam/stamp browser nginx ## the long run: all of test and whatever takes longer, with branch coverage
	$(call step,all tests, with coverage)
	@$(BIN)/pytest -n $(WORKERS) -m 'not load' --cov --cov-report=term --cov-fail-under=85
	$(call step,all tests on PostgreSQL)
	@MOONGATE_TEST_DATABASE=postgresql $(BIN)/pytest -n $(WORKERS) -m 'not load'
	$(call step,load and faults: alone)
	@$(BIN)/pytest -m load tests/load

bench: .venv/dev.stamp ## benchmark table, as ratios to plain Flask in the same run
	@$(BIN)/python -m bench

check: .venv/dev.stamp ## the static half of test
	$(call step,format)
	@$(BIN)/ruff format --check .
	$(call step,lint)
	@$(BIN)/ruff check .
	$(call step,types)
	@$(BIN)/mypy --strict $(CODE)
	$(call step,contracts)
	@$(BIN)/lint-imports --no-logo

format: .venv/dev.stamp ## puts the code into form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## removes the environments and caches, keeps var/
	rm -rf .venv .venv-iam .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage .coverage.* dist

# ------------------------------------------------------------------------------------------------------- environments
# A stamp is newer than the lock it was made from, so an environment is touched only when its lock changes.

.venv/bin/python:
	$(call step,environment .venv)
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "Moongate needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv

.venv/runtime.stamp: requirements.lock | .venv/bin/python
	$(call step,packages to run)
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements.lock
	@$(BIN)/python $(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev.stamp: requirements-dev.lock .venv/runtime.stamp
	$(call step,packages to test)
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

# The journeys' counterparts (somebody else's OpenID provider, somebody else's client library) share no package with us.
.venv-iam/stamp: tests/journeys/iam/requirements.lock | .venv/bin/python
	$(call step,environment .venv-iam)
	@$(PYTHON) -m venv .venv-iam
	@.venv-iam/bin/python $(INSTALL) --require-hashes -r tests/journeys/iam/requirements.lock
	@touch $@

# An installed one, else Debian's, else Playwright's own.
browser: .venv/dev.stamp
	$(call step,browser)
	@for name in chromium chromium-browser google-chrome; do if command -v "$$name"; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium; then exit 0; fi; \
	if $(BIN)/playwright install chromium; then exit 0; fi; \
	echo 'The journeys need a browser: install the package "chromium" of your system and run this again.' >&2; exit 1

# The load runs behind it.
nginx:
	$(call step,nginx)
	@if PATH="$$PATH:/usr/sbin" command -v nginx; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq nginx-light; then exit 0; fi; \
	echo 'The load runs behind nginx: install it by your system and run this again.' >&2; exit 1

lock: .venv/dev.stamp ## makes the lock files anew from pyproject.toml; UPGRADE=--upgrade for newer versions
	@$(BIN)/python $(INSTALL) uv
	$(call compile,pyproject.toml --extra install --extra postgres --extra valkey,requirements.lock)
	$(call compile,pyproject.toml --extra install --extra postgres --extra valkey --extra dev --constraint requirements.lock,requirements-dev.lock)
	$(call compile,tests/journeys/iam/requirements.in,tests/journeys/iam/requirements.lock)

compile = @$(BIN)/uv pip compile $(1) -o $(2) $(UPGRADE) --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --quiet >/dev/null
