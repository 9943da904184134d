# Every target sets up what it needs: a virtual environment in $(VENV) with kontrast and its development tools.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
export PIP_CONSTRAINT := $(abspath constraints.txt)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Compiled modules are kept, whatever the shell says: every process that a test starts, and the next run, reads them.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test fast check docs bench setup clean

setup: $(VENV)/.ready

# torch first and alone, so that the version in constraints.txt is taken before anything else can ask for another.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "torch$(shell sed -n 's/^torch==/==/p' constraints.txt)"
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

demo: setup
	$(BIN)/kontrast demo

test: setup
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

fast: setup
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) -m "not slow"

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) docs
	$(MAKE) test

# The site, to be opened as build/site/html/index.html. Every warning is an error: a broken link, a page that no list names.
docs: setup
	rm -rf build/site
	PYTHONPATH=docs $(BIN)/python -m sitegen.stage build/site/pages
	$(BIN)/python -m sphinx -q -W --keep-going -n -c docs -d build/site/doctrees build/site/pages build/site/html

bench: setup
	for each in benchmarks/*.py; do $(BIN)/python $$each || exit 1; done

clean:
	rm -rf $(VENV)
