# shellcheck shell=bash
# Settings from the environment, and functions that the scripts share.
set -euo pipefail
exec 3>&1 # dry runs print here, so that $(...) does not capture it

fail() {
  echo "error: $*" >&2
  exit 1
}

# need NAME EXAMPLE: fails if the environment variable NAME is not set.
need() {
  [[ -n ${!1:-} ]] || fail "$1 is not set; for example: export $1=$2"
}

# Fails if options of unik_jax.main are missing, or would lose the run.
check_training() {
  [[ " $* " == *' --config='* ]] || fail '--config=configs/NAME.py is missing'
  [[ " $* " == *' --workdir=bucket/'* ]] ||
    fail '--workdir=bucket/... is missing: other folders vanish with the TPU'
}

need TPU_NAME unik
need TPU_ZONE us-east5-b
where=(--zone="$TPU_ZONE")
[[ -z ${TPU_PROJECT:-} ]] || where+=(--project="$TPU_PROJECT")

# Runs a command. With DRY_RUN=1 prints it, quoted for pasting.
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

# ssh_to WORKER COMMAND: runs it on a worker by number, or on all.
ssh_to() {
  run gcloud compute tpus tpu-vm ssh "$TPU_NAME" "${where[@]}" \
    --worker="$1" --command="$2"
}

# Prints the state of the queued resource, or NONE if it does not exist.
state() {
  local current
  current=$(run gcloud compute tpus queued-resources describe "$TPU_NAME" \
    "${where[@]}" --format='value(state.state)' 2>/dev/null) || current=NONE
  [[ ${DRY_RUN:-} != 1 ]] || current=ACTIVE
  echo "${current:-NONE}"
}
