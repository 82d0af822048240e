# One virtual environment serves every target; it is made again only when what it is made from changes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test soak fuzz nulls check bench screenshots

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 16

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[demo,erasure,ray,test,train]'
	@touch $@

demo: $(READY)  ## the whole analysis on the packaged encoder and built-in sentences; prints the path of the report
	$(BIN)/layerprobe demo

test: $(READY)  ## all tests, one file at a time on each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist loadfile

soak: $(READY)  ## the long tests, which kill runs at random moments
	$(BIN)/python -m pytest -m soak --timeout 3600

fuzz: $(READY)  ## 10,000 mutations of saved results, each of which must be refused in one line or drawn
	$(BIN)/python -m tests.fuzz

nulls: $(READY)  ## the share of pages with a false claim: 200 whole analyses on each kind of null, and on planted truths
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.nulls

check: $(READY)  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

screenshots: $(READY)  ## the demo's report at phone and desktop width, light and dark, as files
	$(BIN)/python -m tests.screenshots

bench: $(READY)  ## speed relative to other tools, measured in one run
	$(BIN)/python -m tests.benchmarks
