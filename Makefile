# `make help` lists the targets. Everything runs in .venv, made from the hashed requirements.lock.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Packages whose dependency pins are over-cautious make plain pip refuse the lock: see pyproject.toml.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
PYTEST ?= $(BIN)/pytest --numprocesses 2 --dist loadscope

export DAGSTER_DISABLE_TELEMETRY := yes
export DO_NOT_TRACK := 1

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

.PHONY: demo
demo: $(STAMP) ## Land the sample and the simulated market, build, check, publish, and show what came out
	@$(BIN)/tapehouse demo

.PHONY: test
test: $(STAMP) ## Run the tests (about 10 minutes on 2 cores); before each commit
	$(PYTEST)

.PHONY: test-slow
test-slow: $(STAMP) ## Run long variants that `make test` leaves out; before a push, as CI does
	$(PYTEST) -m slow

.PHONY: test-weekly
test-weekly: $(STAMP) ## Run the longest: any fault in any order, fifty kills; before a release
	$(PYTEST) -m weekly

.PHONY: lint
lint: $(STAMP) ## Check style and types of Python and SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	TAPEHOUSE_DATABASE=:memory: TAPEHOUSE_DATA_DIR=/nonexistent \
		$(BIN)/sqlfluff lint --processes 2 --disable-progress-bar dbt_project/models dbt_project/tests

.PHONY: dev
dev: $(STAMP) ## Open the Dagster UI on http://localhost:3000
	@$(BIN)/tapehouse dev

.PHONY: shell
shell: $(STAMP) ## Open a read-only DuckDB shell on the published warehouse
	@$(BIN)/tapehouse shell

.PHONY: docs
docs: $(STAMP) ## Generate the documentation of every table and serve it on http://localhost:8080
	@$(BIN)/tapehouse docs

.PHONY: bench
bench: $(STAMP) ## Measure speed and memory; results go to bench/
	$(BIN)/python -m tests.bench

.PHONY: lock
lock: $(STAMP) ## Resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile --quiet --universal --group dev pyproject.toml --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --no-emit-index-url --upgrade -o requirements.lock

.PHONY: clean
clean: ## Remove what was built: the environment, caches and dbt's output, never data/
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .tmp_dagster_home_* \
		dbt_project/target dbt_project/logs dist
	find ingest orchestration tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): requirements.lock pyproject.toml
	@echo "Installing into $(VENV) (about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@
