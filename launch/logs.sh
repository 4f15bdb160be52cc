#!/usr/bin/env bash
# Follows a worker's log until Ctrl-C: launch/logs.sh [WORKER]
#
# Worker 0 (the default) prints the training lines, the others only errors.
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

ssh_to "${1:-0}" 'tail -n 100 -F unik_jax/train.log'
