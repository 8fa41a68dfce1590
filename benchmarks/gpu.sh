#!/usr/bin/env bash
# What must be tried on a machine with a CUDA GPU, in about eight minutes: the tests, what a sweep costs, how many
# trials a structure should get. `PYTHON=... benchmarks/gpu.sh` takes an interpreter that has PyTorch with CUDA as it is.
set -uo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
SECONDS_IN_ALL=480
REQUIREMENTS=(filelock jinja2 markupsafe matplotlib numpy optuna pandas pyarrow pydantic rich rtdl_num_embeddings sklearn
  typer wandb pytest pytest_timeout)

if ! nvidia-smi --list-gpus 2>/dev/null | grep -q GPU; then
  echo "This needs a CUDA GPU, but nvidia-smi finds none here. Nothing was installed or run." >&2
  exit 1
fi

sees_gpu() { "$1" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; }

if sees_gpu "$PYTHON"; then
  missing=()
  for package in "${REQUIREMENTS[@]}"; do
    "$PYTHON" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$package') is None)" || missing+=("$package")
  done
  if ((${#missing[@]})); then
    echo "$PYTHON has PyTorch with CUDA, but lacks ${missing[*]}: a virtual environment on top of it gets them"
    "$PYTHON" -m venv --system-site-packages .venv &&
      .venv/bin/python -m pip install --quiet --editable . pytest pytest-timeout || exit 1
    PYTHON=.venv/bin/python
  fi
else
  echo "$PYTHON has no PyTorch that sees the GPU: the virtual environment .venv gets one"
  make setup PYTHON="$PYTHON" || exit 1
  PYTHON=.venv/bin/python
fi
if ! sees_gpu "$PYTHON"; then
  echo "PyTorch in $PYTHON does not see the GPU. Install one that fits the driver: https://pytorch.org" >&2
  exit 1
fi

export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
study=resonance
[[ -f "${TUNER_DATA:-}/magic04.data" ]] && study=magic
failed=()

# Run a step, at most until the time of all is up.
step() {
  local left=$((SECONDS_IN_ALL - SECONDS))
  printf '\n== %s (%d s left)\n' "$*" "$left"
  if ((left < 5)); then
    failed+=("not run: $*")
    return
  fi
  timeout --kill-after=10 "$left" "$PYTHON" -m "$@"
  local code=$?
  ((code == 124)) && failed+=("out of time: $*")
  ((code != 0 && code != 124)) && failed+=("exit code $code: $*")
}

SECONDS=0
step pytest -q tests/training/test_cuda.py tests/tuning/test_cuda_search.py
step benchmarks.overhead --trials 1024 --tracker none
step benchmarks.structures --values 4 8 16 32 --minutes 1 --seeds 0 --study "$study"

printf '\nAll of it took %d s.\n' "$SECONDS"
if ((${#failed[@]})); then
  printf '  %s\n' "${failed[@]}" >&2
  exit 1
fi
