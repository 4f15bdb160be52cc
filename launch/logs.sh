#!/usr/bin/env bash
# Follows what a worker prints, Ctrl-C ends that: launch/logs.sh [WORKER]
#
# Worker 0, the default, has the training lines; others have their own errors.
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

ssh_to "${1:-0}" 'tail -n 100 -F unik_jax/train.log'
