#!/usr/bin/env bash
# Called by setup.sh on each worker: installs unik_jax and mounts BUCKET.
# worker.sh BUCKET
set -euo pipefail
cd "$(dirname "$0")/.."

# The image's Python may be older than unik_jax needs, so uv installs one.
command -v uv >/dev/null || curl -LsSf https://astral.sh/uv/install.sh | sh
export PATH="$HOME/.local/bin:$PATH"
[[ -d .venv ]] || uv venv --quiet --python=3.12
uv pip install --quiet --editable '.[tpu]'

if ! command -v gcsfuse >/dev/null; then
  key=/usr/share/keyrings/cloud.google.asc
  site=https://packages.cloud.google.com/apt
  curl -fsSL "$site/doc/apt-key.gpg" | sudo tee "$key" >/dev/null
  echo "deb [signed-by=$key] $site gcsfuse-$(lsb_release -cs) main" |
    sudo tee /etc/apt/sources.list.d/gcsfuse.list >/dev/null
  sudo apt-get update --quiet
  sudo apt-get install --yes --quiet gcsfuse
fi
mkdir -p bucket
# Checkpoints are written to a temporary folder and then renamed, which gcsfuse
# must allow for folders of many files.
mountpoint --quiet bucket ||
  gcsfuse --implicit-dirs --rename-dir-limit=100000 "$1" bucket
