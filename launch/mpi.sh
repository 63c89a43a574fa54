#!/usr/bin/env bash
# A run under Open MPI.   PROCESSES=4 launch/mpi.sh --config=configs/quickstart.py --workdir=runs/mpi
# MPIRUN_FLAGS takes what your cluster wants, such as "--hostfile hosts". With one process for each GPU, jax gives every
# process the GPU of its local rank.
set -euo pipefail
# shellcheck disable=SC2086
exec mpirun -n "${PROCESSES:?how many processes}" ${MPIRUN_FLAGS:-} python main.py "$@"
