# Every command works from a fresh clone with Python 3.11+, make and git; nothing else is assumed.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
# The installed uv is used; without one, uv is installed into the project's environment.
UV := $(or $(shell command -v uv 2>/dev/null),$(VENV)/bin/uv)
SETUP := $(VENV)/.set-up
MANIFESTS := pyproject.toml uv.lock $(wildcard libs/*/pyproject.toml taps/*/pyproject.toml targets/*/pyproject.toml) sandbox/pyproject.toml
RUN := $(VENV)/bin/

# Values that users pass as NAME=... reach the recipes through the environment, so that neither make nor
# the shell expands them. Recipes read them as "$$NAME". Only ARGS is text of the command line.
ARGUMENTS := FIRST FOR FROM KILLS LABEL MODULES NAME OSV PACKAGE PARSERS PYTHON Q RUNS SCHEMA SEED SEEDS SLICES SOURCES STREAMS TAP TO VERSION
$(foreach name,$(ARGUMENTS),$(if $(filter-out undefined,$(origin $(name))),$(eval override $(name) := $$(value $(name)))$(eval export $(name))))

export UV_PROJECT_ENVIRONMENT := $(VENV)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(SETUP) ## Install everything; done once

# Incomplete targets, as on a full disk, are rebuilt.
.DELETE_ON_ERROR:

FAILED = { echo "Set-up failed; the lines above say why. It needs a writable folder, 1 GB of disk, and PyPI or a mirror of it. Fix that and run the same command again: it resumes." >&2; exit 1; }

$(VENV)/bin/uv:
	@command -v "$$PYTHON" >/dev/null \
	  || { echo "SignalRoom needs Python 3.11 or newer; there is no $$PYTHON. Install one, or name yours: make PYTHON=python3.12 demo" >&2; exit 1; }
	@"$$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "SignalRoom needs Python 3.11 or newer; $$("$$PYTHON" --version 2>&1) was found. Try: make PYTHON=python3.12 demo" >&2; exit 1; }
	@"$$PYTHON" -m venv $(VENV) || $(FAILED)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --force-reinstall "uv>=0.9" || $(FAILED)

# Without bytecode caches, as in many containers, Python would compile everything at each start.
COMPILE := $(if $(PYTHONDONTWRITEBYTECODE),--compile-bytecode)

$(SETUP): $(MANIFESTS) | $(filter $(VENV)/bin/uv,$(UV))
	@echo "Installing what uv.lock pins ..."
	@"$(UV)" sync --locked --quiet $(COMPILE) || $(FAILED)
	@$(if $(COMPILE),$(RUN)python -m compileall -q libs taps targets sandbox || $(FAILED))
	@# Meltano passes settings to plugins in files below, which others must not read.
	@mkdir -p .meltano && chmod go-rwx .meltano
	@touch $@

.PHONY: demo
demo: $(SETUP) ## Load the mock vendors' data into an embedded PostgreSQL, twice
	@$(RUN)signalroom demo

.PHONY: test
test: $(SETUP) ## Run the tests, without further cases of one kind (make test-all): ARGS=taps/tap-everflow for a part
	@$(RUN)pytest $(ARGS)

.PHONY: test-all
test-all: $(SETUP) ## Run the tests with all their cases
	@$(RUN)pytest --all $(ARGS)

.PHONY: test-random
test-random: $(SETUP) ## Run the tests in random order; the seed is printed: SEED=1 for the order of an earlier run
	@$(RUN)pytest -p randomly $${SEED:+--randomly-seed="$$SEED"} $(ARGS)

.PHONY: coverage
coverage: $(SETUP) ## Run the tests, and list the lines and branches of what is shipped that they never run: ARGS=--all
	@"$(UV)" sync --locked --quiet --group coverage
	@mkdir -p .coverage && $(RUN)coverage erase
	@$(RUN)coverage run -m pytest $(ARGS)
	@$(RUN)coverage combine --quiet && $(RUN)coverage report

.PHONY: chaos
chaos: $(SETUP) ## Inject faults into 1,000+ runs and write docs/reliability.md: SEEDS=4 FIRST=0 [KILLS=120]
	@SIGNALROOM_KILLS="$${KILLS:-120}" $(RUN)pytest targets/target-postgres/tests/test_target_resilience.py
	@SIGNALROOM_CHAOS="$${SEEDS:-4}" SIGNALROOM_CHAOS_SEED="$${FIRST:-0}" $(RUN)pytest tests/faults/test_chaos.py $(ARGS)

.PHONY: compat
compat: $(SETUP) ## Run the tests on each installed Python, 3.11 to 3.13: ARGS="--versions 3.13 -- libs"
	@$(RUN)python -m tools.compat.pythons $(ARGS)

.PHONY: compat-postgres
compat-postgres: $(SETUP) ## Run the loader's tests on PostgreSQL 14 to 18 and PgBouncer, if available: ARGS="--versions 14 pgbouncer"
	@$(RUN)python -m tools.compat.postgres $(ARGS)

.PHONY: compat-targets
compat-targets: $(SETUP) ## Load each tap into target-jsonl, target-csv and the stock target, and compare the rows
	@$(RUN)python -m tools.compat.targets $(ARGS)

.PHONY: compat-taps
compat-taps: $(SETUP) ## Run third-party taps (PipelineWise, MeltanoLabs, singer-io) into the loader, twice: ARGS="--taps google-sheets"
	@$(RUN)python -m tools.compat.taps $(ARGS)

.PHONY: compat-bounds
compat-bounds: $(SETUP) ## Test each package with the lowest and the newest versions of its dependencies: ARGS="--versions 3.11 3.13"
	@$(RUN)python -m tools.compat.bounds $(ARGS)

.PHONY: fidelity
fidelity: $(SETUP) ## Check the taps' requests and the mock vendors against third-party software: ARGS="--only google --strict"
	@$(RUN)python -m tools.fidelity $(ARGS)

.PHONY: fuzz
fuzz: $(SETUP) ## Fuzz responses, lines, files, cells and states: RUNS=500 per tap
	@SIGNALROOM_FUZZ="$${RUNS:-500}" $(RUN)pytest tests/faults/test_fuzz_*.py taps/*/tests/test_*_fuzz.py targets/*/tests/test_*_fuzz_*.py $(ARGS)

.PHONY: fuzz-guided
fuzz-guided: $(SETUP) ## Fuzz the parsers with Atheris, guided by code coverage (Linux): FOR=60 seconds each [PARSERS="lines files"]
	@"$(UV)" sync --locked --quiet --group guided
	@for parser in $${PARSERS:-$$($(RUN)python tests/harness/fuzz/guided.py --list)}; do \
	  $(RUN)python tests/harness/fuzz/guided.py "$$parser" -max_total_time="$${FOR:-60}" $(ARGS) || exit 1; done

.PHONY: mutation
mutation: $(SETUP) ## Mutate the code that decides about rows, and run its tests: MODULES="kit-state redtrack" ARGS="--sample 30"
	@"$(UV)" sync --locked --quiet --inexact --group mutation
	@$(RUN)python -m tools.mutation $(ARGS) -- $$MODULES

.PHONY: clickhouse
clickhouse: $(SETUP) ## Check the mock PostHog's SQL against ClickHouse (downloads 840 MB)
	@"$(UV)" sync --locked --quiet --group clickhouse
	@$(RUN)pytest -n 0 -m clickhouse sandbox

.PHONY: timing-test
timing-test: $(SETUP) ## The tests that rates are used up, which need a machine with nothing else to do
	@$(RUN)pytest -n 0 -m timing $(ARGS)

.PHONY: browser-test
browser-test: $(SETUP) ## Test the status page in headless Chromium, which must be on the PATH
	@$(RUN)pytest -n 0 -m browser tests/commands $(ARGS)

.PHONY: lint
lint: $(SETUP) ## Run ruff, mypy, import-linter, bandit, zizmor and the other static checks
	@$(RUN)ruff check .
	@$(RUN)ruff format --check .
	@$(RUN)mypy
	@$(RUN)lint-imports --no-logo --no-cache
	@for folder in libs/* sandbox taps/* targets/*; do \
	  report="$$(cd "$$folder" && "$(CURDIR)/$(RUN)deptry" . 2>&1)" || { echo "$$report"; exit 1; }; done
	@$(RUN)bandit --quiet --recursive --configfile pyproject.toml libs orchestrate taps targets tools
	@$(RUN)zizmor --quiet --offline .github
	@$(RUN)python -m tools.generate --check
	@"$(UV)" lock --check --quiet

NOT_AUDITED = { echo "If no vulnerability is listed above, the database could not be read: a mirror of PyPI does not have it. Name one that can be reached, with OSV=https://osv.example.com/v1/query." >&2; exit 1; }

.PHONY: audit
audit: $(SETUP) ## Look up known vulnerabilities of the pinned packages; needs api.osv.dev, or OSV=https://osv.example.com/v1/query
	@"$(UV)" export --locked --quiet --no-emit-workspace --format requirements-txt --output-file .audit.txt
	@"$(UV)" run --locked --quiet --group audit pip-audit --strict --disable-pip --require-hashes --requirement .audit.txt \
	  --vulnerability-service osv --osv-url "$${OSV:-https://api.osv.dev/v1/query}" --progress-spinner off || $(NOT_AUDITED)

.PHONY: docs
docs: $(SETUP) ## Build the documentation in .site (ARGS=serve: serve it while you write)
	@"$(UV)" sync --locked --quiet --group docs
	@NO_MKDOCS_2_WARNING=1 $(RUN)mkdocs $(or $(ARGS),build)

.PHONY: bench
bench: $(SETUP) ## Run the benchmarks; prints a table and writes bench/results.json
	@$(RUN)python bench/run.py $(ARGS)

.PHONY: bench-large
bench-large: $(SETUP) ## Load 10 million rows from S3 and 5 million PostHog events: 25 minutes, 34 GB (ARGS=--share=10)
	@$(RUN)python bench/large.py $(ARGS)

.PHONY: bench-clients
bench-clients: $(SETUP) ## Run two hours of schedules of 50 clients x 6 taps, with shared state (ARGS=--quick: 3 clients)
	@$(RUN)python bench/clients.py $(ARGS)

.PHONY: bench-year
bench-year: $(SETUP) ## Simulate a year of hourly runs, and print sizes of state, runs and logs by month (ARGS=--quick: two taps, daily)
	@$(RUN)python bench/year.py $(ARGS)

.PHONY: sandbox
sandbox: $(SETUP) ## Run the mock vendors in the foreground; prints the .env to use them
	@$(RUN)signalroom-sandbox $(ARGS)

.PHONY: sql
sql: $(SETUP) ## Query the database: make sql Q="select 1" (without Q: psql)
	@$(RUN)signalroom-postgres sql $${Q:+"$$Q"}

.PHONY: new-client
new-client: $(SETUP) ## Create a client's taps, credentials and schedules: NAME=acme [SOURCES=everflow,redtrack] [SCHEMA=own]
	@$(RUN)signalroom new-client $${SOURCES:+--sources="$$SOURCES"} $${SCHEMA:+--schema="$$SCHEMA"} -- "$$NAME"

.PHONY: backfill
backfill: $(SETUP) ## Backfill a date range in parallel slices, without touching the bookmark: TAP=tap-everflow FROM=2025-01-01 TO=2025-12-31 [SLICES=4] [STREAMS=daily_stats]
	@$(RUN)signalroom backfill $${SLICES:+--slices="$$SLICES"} $${STREAMS:+--streams="$$STREAMS"} -- "$$TAP" "$$FROM" "$$TO"

.PHONY: status
status: $(SETUP) ## Show the status of each pipeline: runs, rows, bookmarks, lag. ARGS="--watch", "--json", "--html status.html". For exit codes call signalroom status
	@$(RUN)signalroom status $(ARGS)

.PHONY: clean-up
clean-up: $(SETUP) ## Remove old runs, logs and working folders; never the state: ARGS="--days=30 --rejected-days=90 --dry-run"
	@$(RUN)signalroom clean-up $(ARGS)

AIRFLOW := orchestrate/.venv/.set-up

$(AIRFLOW): orchestrate/pyproject.toml orchestrate/uv.lock | $(SETUP)
	@echo "Installing Airflow, as orchestrate/uv.lock pins it ..."
	@UV_PROJECT_ENVIRONMENT=.venv "$(UV)" sync --project orchestrate --locked --quiet
	@touch $@

# With a broker: the installed redis-server, or one from a package.
$(AIRFLOW)-with-broker: $(AIRFLOW)
	@command -v redis-server > /dev/null \
	  || UV_PROJECT_ENVIRONMENT=.venv "$(UV)" sync --project orchestrate --locked --quiet --group local
	@touch $@

.PHONY: airflow
airflow: $(AIRFLOW)-with-broker ## Run this project's schedules in a local Airflow with two workers
	@PYTHONPATH=orchestrate $(RUN)python -m local_airflow

.PHONY: airflow-schedules
airflow-schedules: $(SETUP) ## Write the schedules from which Airflow generates DAGs; fails if one cannot be run
	@$(RUN)signalroom schedules --output=orchestrate/schedules.json

.PHONY: airflow-test
airflow-test: $(AIRFLOW) ## Run the tests of orchestrate/ in Airflow's environment
	@cd orchestrate && .venv/bin/python -m pytest $(ARGS)

.PHONY: airflow-proof
airflow-proof: $(AIRFLOW)-with-broker ## Kill a worker while Airflow loads five clients from the mock vendors: 8 minutes
	@PYTHONPATH=.:orchestrate $(RUN)python -m local_airflow.worker_failure $(ARGS)

.PHONY: new-source
new-source: $(SETUP) ## Create a tap and a mock vendor to test it against: NAME=acme-crm [LABEL="Acme CRM"]
	@$(RUN)python -m tools.new_source $${LABEL:+--label="$$LABEL"} -- "$$NAME"

.PHONY: new-source-proof
new-source-proof: $(SETUP) ## Create a source in a clone, and run its commands, lint, and all tests that iterate over taps
	@$(RUN)pytest -n 0 -m proof tests/proofs/test_new_source_installed.py

.PHONY: upgrade-proof
upgrade-proof: $(SETUP) ## Test an upgrade: an earlier version loads, this one continues: FROM=<tag or commit>
	@$(RUN)pytest -n 0 -m proof tests/proofs/test_upgrade.py $(ARGS)

.PHONY: migration-proof
migration-proof: $(SETUP) ## Test the guide for migrating from dlt on tables made by dlt 1.4 and 1.31 (from PyPI)
	@$(RUN)pytest -n 0 -m proof tests/proofs/test_migration_guide.py $(ARGS)

.PHONY: release
release: $(SETUP) ## Write a package's changelog, commit and tag; pushes nothing: PACKAGE=tap-everflow VERSION=1.2.3
	@$(RUN)python -m tools.release -- "$$PACKAGE" "$$VERSION"

.PHONY: settings
settings: $(SETUP) ## Generate meltano.yml, READMEs, .env.example, hub/ and docs/tables from settings and streams
	@$(RUN)python -m tools.generate
