#!/usr/bin/env bash
# Deletes the TPU and its disks: launch/delete.sh [--yes]
#
# The bucket stays. Without --yes, asks first.
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

if [[ ${1:-} != --yes && ${DRY_RUN:-} != 1 ]]; then
  read -rp "Delete TPU $TPU_NAME in $TPU_ZONE? [y/N] " answer
  [[ $answer == y ]] || fail 'nothing was deleted'
fi
run gcloud compute tpus queued-resources delete "$TPU_NAME" "${where[@]}" \
  --force --quiet
