#!/usr/bin/env bash
# Runs on each worker, by setup.sh: worker.sh BUCKET
set -euo pipefail
cd "$(dirname "$0")/.."

# The images' Python may be older than ours.
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
# Checkpoints are written aside, and renamed when they are whole.
mountpoint --quiet bucket ||
  gcsfuse --implicit-dirs --rename-dir-limit=100000 "$1" bucket
