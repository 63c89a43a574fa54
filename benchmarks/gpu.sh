#!/usr/bin/env bash
# The training step on this machine's GPU, beside open_clip: one command, from a fresh clone to the table.
#
#     benchmarks/gpu.sh [what benchmarks/gpu.py takes, such as --models=b16 --batches=1024,2048]
#
# The Python at hand is used where its JAX sees a GPU; else .venv-gpu is made, with jax[cuda13]. open_clip gets
# .venv-open_clip, for PyTorch and JAX each want CUDA libraries of their own; OPEN_CLIP_PYTHON names another Python that
# has it, and --contestants=vlp leaves it out. A row takes about a minute, most of it compiling; there are 87.
set -euo pipefail
cd "$(dirname "$0")/.."

sees_gpu() { "$1" -c 'import flax, optax, jax; assert jax.default_backend() == "gpu"' 2>/dev/null; }

python=${PYTHON:-python3}
if ! sees_gpu "$python"; then
  nvidia-smi >/dev/null || { echo "nvidia-smi finds no GPU here" >&2; exit 1; }
  [ -x .venv-gpu/bin/python ] || "$python" -m venv .venv-gpu
  .venv-gpu/bin/pip install --quiet -r requirements.txt "jax[cuda13]"
  python=.venv-gpu/bin/python
  sees_gpu "$python" || { echo "JAX sees no GPU, though nvidia-smi does: $("$python" -c 'import jax; jax.devices("gpu")' 2>&1 | tail -1)" >&2; exit 1; }
fi

if [ -z "${OPEN_CLIP_PYTHON:-}" ] && [[ " $* " != *" --contestants=vlp "* ]]; then
  [ -x .venv-open_clip/bin/python ] || "$python" -m venv .venv-open_clip
  # What benchmarks/gpu_rows.py reads the sizes from comes along; its JAX stays on the CPU.
  .venv-open_clip/bin/pip install --quiet -r requirements.txt -r requirements-peers.txt ||
    echo "open_clip could not be installed: its rows will say so" >&2
  export OPEN_CLIP_PYTHON=$PWD/.venv-open_clip/bin/python
fi

exec "$python" -m benchmarks.gpu "$@"
