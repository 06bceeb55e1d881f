PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help

.PHONY: help
help:  ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]" --constraint constraints.txt
	touch $@

.PHONY: setup
setup: $(READY)  ## Create the environment in .venv

.PHONY: demo
demo: $(READY)  ## Train, merge and evaluate a small model on the built-in demo corpus
	$(BIN)/python -m hrf_ser.train experiment=demo

.PHONY: test
test: $(READY)  ## Run the tests
	$(BIN)/python -m pytest -m "not slow" -n logical --dist loadfile

.PHONY: test-slow
test-slow: $(READY)  ## Run the slow tests
	$(BIN)/python -m pytest -m slow

.PHONY: lint
lint: $(READY)  ## Check style, types and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(READY)  ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: $(READY)  ## Benchmark speed and memory, half an hour; DATA=ravdess ROOT=... for real speech
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.suite $(if $(ROOT),--data $(DATA) --root $(ROOT)) --out runs/bench

.PHONY: bench-quick
bench-quick: $(READY)  ## Smoke-test every benchmark; the figures mean nothing
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.suite --quick --no-large --out runs/bench-quick

.PHONY: bench-docs
bench-docs: $(READY)  ## Write the figures of the last `make bench` into docs/explanation/performance.md
	$(BIN)/python -m benchmarks.suite --from runs/bench/results.json --write-docs

DOCS_READY := $(VENV)/.docs-ready
$(DOCS_READY): $(READY)
	$(BIN)/python -m pip install --quiet --editable ".[docs]" --constraint constraints.txt
	touch $@

.PHONY: docs
docs: $(DOCS_READY)  ## Build the documentation site in build/docs; broken links and missing docstrings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

.PHONY: docs-serve
docs-serve: $(DOCS_READY)  ## Serve the documentation site on http://127.0.0.1:8000, rebuilt at every change
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --watch src --watch conf

.PHONY: clean
clean:  ## Remove the environment and tool caches
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
