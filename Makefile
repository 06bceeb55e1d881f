PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.demo
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n logical --dist loadfile
# What test-all leaves out, such as EXCEPT="and not slow".
EXCEPT :=
# Marks of the tests that only `make test-all` runs; pyproject.toml says why.
REST := slow or faults or fuzz or browser or wheel or notebook or sweep or study

.DEFAULT_GOAL := help

.PHONY: help
help:  ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(DEMO): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[demo]" --constraint constraints.txt
	touch $@

$(READY): $(DEMO)
	$(BIN)/python -m pip install --quiet --editable ".[dev]" --constraint constraints.txt
	touch $@

.PHONY: setup
setup: $(READY)  ## Create the environment in .venv, with the development tools

.PHONY: demo
demo: $(DEMO)  ## Train, merge and evaluate a small model on the built-in demo corpus
	$(BIN)/python -m hrf_ser.train experiment=demo

.PHONY: test
test: $(READY)  ## Run the first tests: every promise once, five minutes
	$(PYTEST) -m "not serial and not ($(REST))" $(PARALLEL)
	$(PYTEST) -m "serial and not ($(REST))"

.PHONY: test-all
test-all: test  ## Run all tests: the first, then faults, fuzzing, browsers, wheels, notebooks, sweeps
	$(PYTEST) -m "not serial and ($(REST)) $(EXCEPT)" $(PARALLEL)
	$(PYTEST) -m "serial and ($(REST)) $(EXCEPT)" || test $$? -eq 5  # 5: there are none today

.PHONY: coverage
coverage: $(READY)  ## Measure branch coverage of the first tests
	$(PYTEST) -m "not serial and not ($(REST))" $(PARALLEL) --cov --cov-report=term:skip-covered

.PHONY: matrix
matrix:  ## Install and test with every Python and torch of noxfile.py, or CELL=3.13-oldest; gigabytes
	$(PYTHON) -m nox $(if $(CELL),-s "cell($(CELL))")

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

.PHONY: builtin-model
builtin-model: $(READY)  ## Train the built-in model again, an hour: RAVDESS=folder EMODB=folder WHISPER=folder
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.builtin_model --ravdess $(RAVDESS) --emodb $(EMODB) --whisper $(WHISPER)

.PHONY: bench
bench: $(READY)  ## Benchmark speed and memory, half an hour; DATA=ravdess ROOT=... for real speech
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.suite $(if $(ROOT),--data $(DATA) --root $(ROOT)) --out runs/bench

.PHONY: bench-quick
bench-quick: $(READY)  ## Smoke-test every benchmark; the figures mean nothing
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.suite --quick --no-large --out runs/bench-quick

.PHONY: bench-gpu
bench-gpu: $(READY)  ## Check and benchmark on a GPU, eight minutes; without one it tests itself
	$(BIN)/python -m benchmarks.gpu --out runs/gpu.json

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
	rm -rf $(VENV) build dist .mypy_cache .nox .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
