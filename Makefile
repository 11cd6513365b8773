# Everything happens in .venv, which the first target that needs it creates. Needed beforehand: a C compiler and
# Python 3.10 or later, `python3` unless told otherwise: make test PYTHON=python3.13

PYTHON ?= python3
VENV ?= .venv
BIN := $(abspath $(VENV))/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

export MPLBACKEND := Agg
export PATH := $(BIN):$(PATH)

.PHONY: help demo test lint bench build sdist wheel test-wheel sanitize clean distclean

help:
	@echo "make demo    train the date reader and show what it learnt"
	@echo "make test    style, stubs and every test"
	@echo "make bench   measure everything beside PyTorch, ONNX Runtime, JAX and NumPy: about ten minutes"
	@echo "make wheel   a wheel for every x86-64 Linux, into dist; make test-wheel installs it elsewhere and tests it"
	@echo "make sanitize   the kernels at every size under AddressSanitizer and UndefinedBehaviorSanitizer"
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
	$(BIN)/python examples/dates.py $$(test ! -f runs/dates/last.npz || echo --resume)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/cython-lint tinyrnn

test: $(VENV)/test.stamp build lint
	$(BIN)/python -m pytest

bench: $(VENV)/bench.stamp build
	$(BIN)/python benchmarks/run.py

sdist: $(VENV)/tools.stamp
	$(BIN)/python setup.py -q sdist

# For x86-64 Linux: every level of processor in one wheel, with GNU OpenMP inside.
wheel: $(VENV)/wheel.stamp
	rm -rf build/wheel build/lib.* dist/*.whl
	TINYRNN_ISA=x86-64-v2,x86-64-v3,x86-64-v4 $(BIN)/python -m pip wheel --quiet --disable-pip-version-check \
		--no-build-isolation --no-deps --wheel-dir build/wheel .
	$(BIN)/auditwheel repair --strip --zip-compression-level 9 --wheel-dir dist build/wheel/*.whl

test-wheel: $(VENV)/test.stamp wheel
	$(BIN)/python tests/wheel/check.py dist/*.whl

# In a folder of its own, so that the build in place stays as it is. GCC only: the script asks it for the libraries.
sanitize: $(VENV)/test.stamp
	CC="gcc -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer" \
		ASAN_OPTIONS=detect_leaks=0 \
		$(BIN)/python setup.py -q build --build-base build/sanitize --build-lib build/sanitize/lib
	$(BIN)/python tests/kernels/sanitize.py build/sanitize/lib

clean:
	rm -rf build dist *.egg-info
	find tinyrnn -name '*.so' -delete

distclean: clean
	rm -rf $(VENV)
