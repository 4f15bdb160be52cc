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
# nohup: training outlives the ssh connection. train.rc gets its exit status.
nohup bash -c '"$@"; echo $? > train.rc' - \
  .venv/bin/python -m unik_jax.main --multihost "$@" \
  > train.log 2>&1 < /dev/null &
