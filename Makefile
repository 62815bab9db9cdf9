# Every target does its own set-up; a second run finds it done. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/.ready-for-tests
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
.DEFAULT_GOAL := help
.PHONY: help setup demo exercises up bench bench-search client-models test test-compose test-pgbouncer chaos check clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-14s%s\n", $$1, $$2}'

setup: $(READY)  ## the environment alone: .venv/bin/perceptune works after it

$(READY): pyproject.toml client/pyproject.toml constraints.txt scripts/make-venv
	@scripts/make-venv $(PYTHON) $(VENV)
	$(INSTALL) -e ./client -e '.[worker]'
	@touch $@

$(TOOLS): $(READY)
	$(INSTALL) -e ./client -e '.[worker,test,check]'
	@touch $@

demo: setup  ## exercise 1 of the book on this machine, live, with a table and a chart
	@scripts/fetch-fashion-mnist
	$(BIN)/perceptune demo

exercises: setup  ## all exercises of the book, quick, and exercises.html with their answers
	@scripts/fetch-fashion-mnist
	$(BIN)/perceptune exercise

up: setup  ## server and workers until Ctrl-C
	@scripts/fetch-fashion-mnist
	$(BIN)/perceptune up

bench: setup  ## how fast it is, against other ways to train the same: twenty minutes on two cores
	@scripts/fetch-fashion-mnist
	$(BIN)/python -m benchmarks $(BENCH)

bench-search: setup  ## how soon each way to search comes to given errors, against a plain script: nine hours
	@scripts/fetch-fashion-mnist
	$(BIN)/python -m benchmarks.search $(BENCH)

client-models: $(TOOLS)  ## the client's models anew, from the API of this version
	$(BIN)/python -m tests.support.client_models --write

test: $(TOOLS)  ## installs what the tests need and runs them
	@scripts/fetch-fashion-mnist
	@scripts/fetch-browser
	$(BIN)/pytest -m "not compose and not pgbouncer" -n 4 --dist loadfile  # they wait half of their time

test-compose: $(TOOLS)  ## builds and tries the containers, with a running Docker
	$(BIN)/pytest -m compose tests/compose

test-pgbouncer: $(TOOLS)  ## a sweep through a real PgBouncer (apt-get install pgbouncer)
	$(BIN)/pytest -m pgbouncer -s tests/pgbouncer

chaos: $(TOOLS)  ## kills and cuts everything 200 times while sweeps are trained, and looks that nothing is lost
	$(BIN)/python -m tests.chaos --faults 200 --seed 1

check: $(TOOLS)  ## format, lint, strict types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

clean:  ## removes the environment; data stays
	rm -rf $(VENV) *.egg-info
