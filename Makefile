# Everything happens in .venv, which the first target that needs it creates. Needed beforehand: a C compiler and
# Python 3.10 or later, `python3` unless told otherwise: make test PYTHON=python3.13

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

export MPLBACKEND := Agg
export PATH := $(BIN):$(PATH)

.PHONY: help demo test lint bench build sdist clean distclean

help:
	@echo "make demo    train the date reader and show what it learnt"
	@echo "make test    style, stubs and every test"
	@echo "make bench   measure everything beside PyTorch, ONNX Runtime, JAX and NumPy: about ten minutes"
	@echo "make lint | build | sdist | clean | distclean"

# --- environment: a stamp file for each group of requirements, renewed when pyproject.toml changes

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("tinyrnn needs Python 3.10 or later" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/tools.stamp: pyproject.toml | $(BIN)/python
	$(INSTALL) 'setuptools>=77' 'Cython>=3.1' 'numpy>=2.0'
	@touch $@

# Installing builds the package as well; after that `build` below brings it up to date, quickly if nothing changed.
$(VENV)/%.stamp: pyproject.toml $(VENV)/tools.stamp
	$(INSTALL) --no-build-isolation --editable '.[$*]'
	@touch $@

# --- what people ask for

build: $(VENV)/tools.stamp
	$(BIN)/python setup.py -q build_ext --inplace

demo: $(VENV)/examples.stamp build
	$(BIN)/python examples/dates.py

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/cython-lint tinyrnn

test: $(VENV)/test.stamp build lint
	$(BIN)/python -m pytest

bench: $(VENV)/bench.stamp build
	$(BIN)/python benchmarks/run.py

sdist: $(VENV)/tools.stamp
	$(BIN)/python setup.py -q sdist

clean:
	rm -rf build dist *.egg-info
	find tinyrnn -name '*.so' -delete

distclean: clean
	rm -rf $(VENV)
