# `make sweep` runs the main job, `make test` the tests; each sets up what it needs first.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_DEV := $(VENV)/.ready-dev
EXTRAS := root,hdf5,fits,onnx,networks,mplhep,pyhf
EXTRAS_DEV := $(EXTRAS),tensorboard,mlflow,postgresql,dask
# Of what pip says only the downloads that take long, so that one sees it work; its exit code counts.
PIP := set -o pipefail; $(BIN)/python -m pip install --progress-bar off --constraint constraints.txt
TELL := | awk '/^ *Downloading .*MB\)/ {print "  " $$0; fflush()} /^Installing collected/ {print "  Unpacking ..."; fflush()}'
STUDY ?= studies/resonance.py
TEST_PROCESSES ?= 2
INPUTS ?= 10000

# Real events for development lie beside the repository; a TUNER_DATA of your own wins.
ifneq ($(wildcard ../shared/data/.),)
export TUNER_DATA ?= $(abspath ../shared/data)
endif

.DEFAULT_GOAL := help
.PHONY: help setup sweep test test-quick check format docs tutorial bench fuzz torture gpu clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY_DEV) ## Make .venv and install the package, its extras and the tools, as pinned in constraints.txt

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed. Name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Making the virtual environment $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip $(TELL)
	@echo "Installing the package and what it needs into $(VENV), as pinned: some 2 GB, some minutes, once"
	@$(PIP) --editable '.[$(EXTRAS)]' $(TELL)
	@touch $@

$(READY_DEV): $(READY)
	@echo "Installing the developers' tools into $(VENV)"
	@$(PIP) --editable '.[$(EXTRAS_DEV)]' --group dev --group docs $(TELL)
	@touch $@

sweep: $(READY) ## Run the main job: sweep, evaluate, report. STUDY= TRIALS= MINUTES= FOLDER= change what and how much
	$(BIN)/tuner sweep $(STUDY) $(if $(TRIALS),--trials $(TRIALS)) $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(if $(FOLDER),--folder '$(FOLDER)')

test: $(READY_DEV) ## Run the whole test suite
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

test-quick: $(READY_DEV) ## Run the tests that are not slow, in two minutes on two idle cores
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder -m "not slow"

check: $(READY_DEV) ## Lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY_DEV) ## Fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY_DEV) ## Build the documentation into build/site; the tutorial's notebooks run. DOCS_NOTEBOOKS=0 shows them only
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

tutorial: $(READY_DEV) ## Open the tutorial's notebooks in the browser. They are yours, in notebooks/, and stay as you leave them
	@test -x $(BIN)/jupyter-lab || { echo "Installing JupyterLab into $(VENV)"; $(PIP) jupyterlab $(TELL); }
	@$(BIN)/python -m docs.site_hooks.notebooks notebooks
	cd notebooks && $(abspath $(BIN))/jupyter-lab $(if $(filter 0,$(shell id -u)),--allow-root) 0_frame.ipynb

bench: $(READY_DEV) ## Run the benchmarks, side by side with what one would use instead
	$(BIN)/python -m benchmarks.throughput

fuzz: $(READY_DEV) ## Read 10,000 damaged files of events and of run folders; some minutes. INPUTS=100 tries fewer
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz --inputs $(INPUTS)

torture: $(READY_DEV) ## Kill and starve the workers of sweeps; nothing must be lost. Ten minutes; ALL=1 plays all scenes, an hour
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.torture $(if $(ALL),,--trials 60 --seconds 120)
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.torture_scenes $(if $(ALL),--all)

gpu: ## Try what needs a CUDA GPU, in about eight minutes. PYTHON= takes an interpreter that has PyTorch with CUDA
	@PYTHON=$(PYTHON) benchmarks/gpu.sh

clean: ## Remove the virtual environment and caches; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
