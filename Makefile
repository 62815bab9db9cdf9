# Every target does its own set-up; a second run finds it done. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TOOLS := $(VENV)/.ready-for-tests
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# what the lock files have, each file by its hash; what they leave to pip is torch, whose builds differ by index
LOCKED = $(PIP) --no-deps --require-hashes $(patsubst %,-r requirements/%.txt,$(1))
OURS = $(PIP) --no-build-isolation -c constraints.txt -e ./client -e '.[$(1)]'
LOCKS := $(wildcard requirements/*.txt)
COMMA := ,
.DEFAULT_GOAL := help
.PHONY: help setup demo exercises up bench bench-gpu bench-search client-models client-twin test test-compose test-pgbouncer test-prometheus test-ray test-kubernetes test-sklearn test-mlflow test-wandb chaos soak check audit clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "make %-14s%s\n", $$1, $$2}'

setup: $(READY)  ## the environment alone: .venv/bin/perceptune works after it

$(READY): pyproject.toml client/pyproject.toml constraints.txt $(LOCKS) scripts/make-venv
	@scripts/make-venv $(PYTHON) $(VENV)
	$(call LOCKED,build server worker local)
	$(call OURS,worker)
	@touch $@

$(TOOLS): $(READY)
	$(call LOCKED,tools)
	$(call OURS,worker$(COMMA)test$(COMMA)check)
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

bench-gpu: $(TOOLS)  ## what a GPU shows, into docs/performance.md: its tests, all ways to train, profiles, the service
	@scripts/fetch-fashion-mnist
	$(BIN)/python -m benchmarks.gpu --into docs/performance.md $(BENCH)

bench-search: setup  ## how soon each way to search comes to given errors, against a plain script: nine hours
	@scripts/fetch-fashion-mnist
	$(BIN)/python -m benchmarks.search $(BENCH)

client-models: $(TOOLS)  ## the client's models anew, from the API of this version
	$(BIN)/python -m tests.support.client_models --write

client-twin: $(TOOLS)  ## the client for threads anew, from the one in asyncio
	$(BIN)/python -m tests.support.client_twin --write

test: $(TOOLS)  ## installs what the tests need and runs them; a handful that fail are run once more, alone
	@scripts/fetch-fashion-mnist
	@scripts/fetch-browser
	$(BIN)/python scripts/run-tests -m "not compose and not pgbouncer and not prometheus and not ray and not kubernetes and not sklearn and not mlflow and not wandb"

test-compose: $(TOOLS)  ## builds and tries the containers, with a running Docker
	$(BIN)/pytest -m compose tests/compose

test-pgbouncer: $(TOOLS)  ## a sweep through a real PgBouncer (apt-get install pgbouncer)
	$(BIN)/pytest -m pgbouncer -s tests/pgbouncer

test-prometheus: $(TOOLS)  ## alerts and dashboard in a real Prometheus (apt-get install prometheus)
	$(BIN)/pytest -m prometheus tests/prometheus

test-ray: $(TOOLS)  ## workers on a real Ray cluster of two nodes, which it installs (80 MB)
	$(call LOCKED,ray)
	$(BIN)/pytest -m ray -s tests/ray_cluster

test-kubernetes: $(TOOLS)  ## the manifests against Kubernetes' and KubeRay's own schemas, which it installs
	$(call LOCKED,kubernetes)
	$(BIN)/pytest -m kubernetes tests/kubernetes

test-sklearn: $(TOOLS)  ## the client's searches, of classes and of numbers, by scikit-learn's own checks of an estimator: some minutes
	$(BIN)/pytest -m sklearn tests/client

test-mlflow: $(TOOLS)  ## a sweep in a real MLflow server, which it installs in an environment of its own
	$(call LOCKED,mlflow)
	@scripts/make-venv $(PYTHON) .venv-mlflow
	$(subst $(BIN),.venv-mlflow/bin,$(call LOCKED,mlflow-server))
	$(BIN)/pytest -m mlflow tests/client

test-wandb: $(TOOLS)  ## a sweep as runs of W&B, offline, whose client it installs (100 MB)
	$(call LOCKED,wandb)
	$(BIN)/pytest -m wandb tests/client

chaos: $(TOOLS)  ## kills and cuts everything 200 times while sweeps are trained, and looks that nothing is lost
	$(BIN)/python -m tests.chaos --faults 200 --seed 1

soak: $(TOOLS)  ## an hour of use and faults, and what processes hold meanwhile, with a picture
	$(BIN)/python -m tests.soak --minutes 60

check: $(TOOLS)  ## format, lint, strict types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

audit:  ## asks whether a known vulnerability is in a package that is pinned; says so where it is offline
	@PYTHON=$(PYTHON) scripts/audit-packages

clean:  ## removes the environment; data stays
	rm -rf $(VENV) .venv-audit .venv-mlflow *.egg-info
