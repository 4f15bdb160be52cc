# shellcheck shell=bash
# Settings from the environment, and what the scripts of this folder share.
set -euo pipefail
exec 3>&1 # where dry runs print, also from within $(...)

fail() {
  echo "error: $*" >&2
  exit 1
}

# need NAME EXAMPLE
need() {
  [[ -n ${!1:-} ]] || fail "$1 is not set; for example: export $1=$2"
}

# Refuses options of unik_jax.main that would train in vain.
check_training() {
  [[ " $* " == *' --config='* ]] || fail '--config=configs/NAME.py is missing'
  [[ " $* " == *' --workdir=bucket/'* ]] ||
    fail '--workdir=bucket/... is missing: what is elsewhere goes with the TPU'
}

need TPU_NAME unik
need TPU_ZONE us-east5-b
where=(--zone="$TPU_ZONE")
[[ -z ${TPU_PROJECT:-} ]] || where+=(--project="$TPU_PROJECT")

# Runs a command, or with DRY_RUN=1 prints it, fit to be pasted.
run() {
  if [[ ${DRY_RUN:-} != 1 ]]; then
    "$@"
    return
  fi
  local word line=''
  for word in "$@"; do
    [[ $word =~ ^[A-Za-z0-9_./:=@~,+-]+$ ]] || word=${word@Q}
    line+="$word "
  done
  echo "${line% }" >&3
}

# ssh_to WORKER COMMAND, where WORKER is a number or all
ssh_to() {
  run gcloud compute tpus tpu-vm ssh "$TPU_NAME" "${where[@]}" \
    --worker="$1" --command="$2"
}

# The state of the queued resource; NONE where there is none.
state() {
  local found
  found=$(run gcloud compute tpus queued-resources describe "$TPU_NAME" \
    "${where[@]}" --format='value(state.state)' 2>/dev/null) || found=NONE
  [[ ${DRY_RUN:-} != 1 ]] || found=ACTIVE
  echo "${found:-NONE}"
}
