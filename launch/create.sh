#!/usr/bin/env bash
# Requests a TPU and waits until it is ready.
#
#   TPU_NAME=unik TPU_ZONE=us-east5-b TPU_TYPE=v6e-16 launch/create.sh
#
# TPU_SPOT=1 requests a spot TPU, which may be preempted. DRY_RUN=1 prints the
# commands instead of running them.
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

need TPU_TYPE v6e-16
case $TPU_TYPE in
  v6e-*) runtime=v2-alpha-tpuv6e ;;
  v5p-*) runtime=v2-alpha-tpuv5 ;;
  v5litepod-*) runtime=v2-alpha-tpuv5-lite ;;
  v4-*) runtime=tpu-ubuntu2204-base ;;
  v5e-*) fail "TPU_TYPE=$TPU_TYPE: gcloud calls it v5litepod-${TPU_TYPE#v5e-}" ;;
  *) fail "TPU_TYPE=$TPU_TYPE: expected v4-N, v5litepod-N, v5p-N or v6e-N" \
    "(later TPUs need GKE or Compute Engine, see docs/tpu.md)" ;;
esac
spot=()
[[ ${TPU_SPOT:-} != 1 ]] || spot=(--spot)

run gcloud compute tpus queued-resources create "$TPU_NAME" "${where[@]}" \
  --node-id="$TPU_NAME" --accelerator-type="$TPU_TYPE" \
  --runtime-version="$runtime" "${spot[@]}"

before=''
while true; do
  now=$(state)
  [[ $now == "$before" ]] || echo "$TPU_NAME: $now"
  before=$now
  case $now in
    ACTIVE) break ;;
    FAILED | SUSPENDING | SUSPENDED | DELETING | NONE)
      fail "$TPU_NAME is $now; delete it with launch/delete.sh" ;;
  esac
  sleep "${TPU_POLL_SECONDS:-30}"
done
