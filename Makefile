# make run       set up .venv and open the workbench
# make test      set up and run every check
# make audit     ask whether an installed package has a known vulnerability
# make bench     measure, and write docs/benchmarks.md
# make torture   kill, fill up and damage trainings for a quarter of an hour, and write docs/reliability.md
# make pictures  take the documentation's pictures again
# make clean     remove what the above built
#
# TORCH=cpu or TORCH=cuda chooses torch's build; without it, pip's own choice is taken.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: run test audit bench pictures clean

run: $(VENV)/.installed
	@$(BIN)/tdl $(ARGS)

test: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -m "not network and not slow"

audit: $(VENV)/.tested
	@$(BIN)/python .ci/audit.py

bench: $(VENV)/.benched
	$(BIN)/python -m bench

torture: $(VENV)/.installed
	$(BIN)/python -m torture

pictures: $(VENV)/.installed
	$(BIN)/python docs/pictures.py

clean:
	rm -rf $(VENV) build *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
ifdef TORCH
	$(BIN)/pip install --quiet --constraint constraints.txt uv
	$(BIN)/uv pip install --python $(BIN)/python --constraint constraints.txt \
		--torch-backend $(if $(filter cpu,$(TORCH)),cpu,auto) torch torchvision
endif
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

$(VENV)/.benched: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@
