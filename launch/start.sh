#!/usr/bin/env bash
# Called by run.sh on each worker: starts training with the given options.
set -euo pipefail
cd "$(dirname "$0")/.."

if pgrep -f 'unik_jax.main --multihost' >/dev/null; then
  echo 'error: training is already running; launch/logs.sh follows it' >&2
  exit 1
fi
rm -f train.rc
export TFDS_DATA_DIR=bucket/datasets
# Google opens this port between the workers of a TPU. JAX 0.8.1 and later take
# 8482, which is closed on some types (github.com/jax-ml/jax/issues/35905).
export JAX_COORDINATOR_PORT=8476
# nohup: training outlives the ssh connection. train.rc gets its exit status.
nohup bash -c '"$@"; echo $? > train.rc' - \
  .venv/bin/python -m unik_jax.main --multihost "$@" \
  > train.log 2>&1 < /dev/null &
