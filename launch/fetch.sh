#!/usr/bin/env bash
# Copies a run from the bucket: launch/fetch.sh runs/posetics [FOLDER]
#
# FOLDER defaults to the same path here.
# shellcheck source=launch/common.sh
source "$(dirname "$0")/common.sh"

need TPU_BUCKET my-bucket
[[ -n ${1:-} ]] || fail 'name a folder of the bucket, such as runs/posetics'
path=${1#bucket/}
run mkdir -p "${2:-$path}"
run gcloud storage rsync --recursive "gs://$TPU_BUCKET/$path" "${2:-$path}"
