#!/usr/bin/env bash
# From nothing to a trained run: creates, sets up, trains, gives the TPU back;
# and where it is taken away, all that once more, going on from the checkpoint.
#
#   launch/train.sh --config=configs/posetics.py --workdir=bucket/runs/posetics
#
# Takes the settings of create.sh and setup.sh; TPU_ATTEMPTS, default 20. After
# an error in training the TPU stays, to be looked at.
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"
here=$(dirname "$0")
need TPU_BUCKET my-bucket
need TPU_TYPE v6e-16
check_training "$@"

# The exit status of training; LOST where the TPU is.
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
      ACTIVE) fail "$TPU_NAME is there, but was not set up: see above" ;;
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
fail "given up after $((attempt - 1)) attempts"
