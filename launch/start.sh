#!/usr/bin/env bash
# Runs on each worker, by run.sh: starts training with these options.
set -euo pipefail
cd "$(dirname "$0")/.."

if pgrep -f 'unik_jax.main --multihost' >/dev/null; then
  echo 'error: training runs already; launch/logs.sh follows it' >&2
  exit 1
fi
rm -f train.rc
export TFDS_DATA_DIR=bucket/datasets
# It goes on when the connection ends, and leaves its exit status.
nohup bash -c '"$@"; echo $? > train.rc' - \
  .venv/bin/python -m unik_jax.main --multihost "$@" \
  > train.log 2>&1 < /dev/null &
