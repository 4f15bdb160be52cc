#!/usr/bin/env bash
# Creates a TPU, sets it up, trains, and deletes it. If the TPU is preempted, starts
# over and resumes from the checkpoint.
#
#   launch/train.sh --config=configs/posetics.py --workdir=bucket/runs/posetics
#
# Needs the settings of create.sh and setup.sh. TPU_ATTEMPTS limits the attempts
# (default 20). After an error in training the TPU stays, for inspection.
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"
here=$(dirname "$0")
need TPU_BUCKET my-bucket
need TPU_TYPE v6e-16
check_training "$@"

# Waits for training to end. Prints its exit status, or LOST if the TPU is lost.
outcome() {
  local status
  while true; do
    status=$(ssh_to 0 'cat unik_jax/train.rc' 2>/dev/null) || status=''
    [[ ${DRY_RUN:-} != 1 ]] || status=0
    [[ -z $status ]] || break
    [[ $(state) == ACTIVE ]] || status=LOST
    [[ -z $status ]] || break
    sleep "${TPU_POLL_SECONDS:-30}"
  done
  echo "$status"
}

for ((attempt = 1; attempt <= ${TPU_ATTEMPTS:-20}; attempt++)); do
  status=LOST
  if "$here/create.sh" && "$here/setup.sh" && "$here/run.sh" "$@"; then
    status=$(outcome)
  else
    case $(state) in
      ACTIVE) fail "$TPU_NAME was created but not set up: see above" ;;
      NONE) fail "$TPU_NAME was not created: see above" ;;
    esac
  fi
  case $status in
    0)
      "$here/delete.sh" --yes
      echo "$TPU_NAME: trained; launch/fetch.sh gets the run"
      exit ;;
    LOST)
      echo "$TPU_NAME: lost, attempt $attempt" >&2
      "$here/delete.sh" --yes ;;
    *)
      ssh_to 0 'tail -n 30 unik_jax/train.log'
      fail "training ended with status $status; $TPU_NAME is still there" ;;
  esac
done
fail "gave up after $((attempt - 1)) attempts"
