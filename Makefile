# `make sweep` runs the main job, `make test` the tests; both set up what they need first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STUDY ?= studies/resonance.py
TEST_PROCESSES ?= 2
INPUTS ?= 10000

# Real events for development lie beside the repository; a TUNER_DATA of your own wins.
ifneq ($(wildcard ../shared/data/.),)
export TUNER_DATA ?= $(abspath ../shared/data)
endif

.DEFAULT_GOAL := help
.PHONY: help setup sweep test check format bench fuzz torture clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv and install the package, its extras and the tools, as pinned in constraints.txt

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed. Name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --constraint constraints.txt --upgrade pip
	@echo "Installing what constraints.txt pins into $(VENV): some 2 GB, some minutes, once."
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[root,hdf5,onnx,networks,mplhep,tensorboard,mlflow]' --group dev
	@touch $@

sweep: $(READY) ## Run the main job: sweep the simulated resonance, evaluate the winner, write the report
	$(BIN)/tuner sweep $(STUDY)

test: $(READY) ## Run the whole test suite
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadfile

check: $(READY) ## Lint, format, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY) ## Run the benchmarks, side by side with what one would use instead
	$(BIN)/python -m benchmarks.throughput

fuzz: $(READY) ## Read 10,000 damaged files of events and of run folders; some minutes. INPUTS=100 tries fewer
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.fuzz --inputs $(INPUTS)

torture: $(READY) ## Kill workers of a sweep at random for four minutes; nothing must be lost
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m benchmarks.torture

clean: ## Remove the virtual environment and caches; runs/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
