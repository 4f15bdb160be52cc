#!/usr/bin/env bash
# Copies this checkout's last commit to all workers, installs it, and mounts the
# bucket: launch/setup.sh
#
# The workers share TPU_BUCKET, which holds datasets and runs.
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

need TPU_BUCKET my-bucket
[[ $TPU_BUCKET != gs://* ]] || fail 'TPU_BUCKET: expected a name without gs://'
cd "$(dirname "$0")/.."

archive=unik_jax.tar.gz
if [[ ${DRY_RUN:-} != 1 ]]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  archive=$folder/$archive
fi
run git archive --format=tar.gz --output="$archive" HEAD
run gcloud compute tpus tpu-vm scp "$archive" "$TPU_NAME:unik_jax.tar.gz" \
  "${where[@]}" --worker=all
ssh_to all "mkdir -p unik_jax && tar -xzf unik_jax.tar.gz -C unik_jax &&\
 bash unik_jax/launch/worker.sh $TPU_BUCKET"
