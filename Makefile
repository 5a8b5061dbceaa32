# `make demo` and `make test` set themselves up: all they need is Python 3.10 or later and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(sort $(dir $(wildcard plugins/*/pyproject.toml)))
STAMP := $(VENV)/.installed
# Modules are compiled when they are first imported: of 10,000 most never are, and pip needs half a minute for all.
PIPFLAGS := --quiet --no-compile --constraint constraints.txt

# Tests run in two processes; one thread each beats two that wait for each other.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

.PHONY: help install demo test test-all lint format docs bench clean

help:
	@echo "make demo      train a model on games that the project makes itself, and let it play"
	@echo "make test      lint, types and tests (under 5 minutes)"
	@echo "make test-all  the slow tests: kill storms, clean environments (EXPHIL_THOROUGH=1: more of each)"
	@echo "make docs      write docs/cli.md and docs/observation.md anew"
	@echo "make bench     measure speed, as ratios, into bench.json, bench-models.json and bench-serving.json"
	@echo "make install   only the virtual environment in $(VENV)"
	@echo "make clean     remove what the others made"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt $(PLUGINS:%=%pyproject.toml)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "ExPhil needs Python 3.10 or later; try make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIPFLAGS) --editable '.[dev]' $(PLUGINS:%=--editable ./%)
	@touch $@

demo: $(STAMP)
	$(BIN)/exphil train --demo --epochs 2 --naming hybrid --tag demo --checkpoints demo/checkpoints
	$(BIN)/exphil registry list --checkpoints demo/checkpoints
	$(BIN)/exphil play "$$(ls -t demo/checkpoints/any/*_policy.safetensors | head -n 1)" --sandbox --games 12 --minutes 1 \
		--opponent random --temperature 0.3 --seed 1

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src $(wildcard plugins/*/src) benchmarks

test: lint
	$(PYTEST) -n 2 -m "not all_only"

test-all: $(STAMP)
	-$(BIN)/python -m pip install $(PIPFLAGS) wandb
	-command -v chromium || command -v google-chrome || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -qq --yes chromium; }
	$(PYTEST) -n 2 -m all_only

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(STAMP)
	$(BIN)/python -m exphil_core.cli.reference docs/cli.md
	$(BIN)/python -m exphil_core.features.reference docs/observation.md

bench: $(STAMP)
	$(BIN)/python benchmarks/bench.py bench.json
	-$(BIN)/python -m pip install --quiet --no-deps mambapy==1.2.0
	$(BIN)/python benchmarks/models.py bench-models.json
	$(BIN)/python benchmarks/serving.py bench-serving.json

clean:
	rm -rf $(VENV) demo build bench.json bench-models.json bench-serving.json .pytest_cache .mypy_cache .ruff_cache .hypothesis
