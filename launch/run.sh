#!/usr/bin/env bash
# Starts training on all workers and returns at once.
#
#   launch/run.sh --config=configs/posetics.py --workdir=bucket/runs/posetics
#
# Prepared datasets are read from bucket/datasets. The same command resumes a run
# that stopped. launch/logs.sh follows it.
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

check_training "$@"
printf -v options ' %q' "$@"
ssh_to all "bash unik_jax/launch/start.sh$options"
