#!/bin/bash
# All GPU benchmarks in one call: speed beside PyTorch, memory, data kept in
# device memory, and losses in bfloat16 beside float32.
#
#   bash benchmarks/gpu.sh [FOLDER]
#
# FOLDER (default runs/gpu) gets a log of each part, and the runs. If a part
# fails, the others still run.
cd "$(dirname "$0")/.." || exit
folder=${1:-runs/gpu}
mkdir -p "$folder"

part() {
  local name=$1
  shift
  echo "== $name: $*"
  "$@" 2>&1 | tee "$folder/$name.log" | tail -n 16
}

step=(python benchmarks/step.py --rounds=5 --json)
main=(python -m unik_jax.main --config=configs/synthetic.py:full)

part posetics "${step[@]}" --batch=64 --present=2 --dtype=bfloat16 --torch --compile
part ntu "${step[@]}" --batch=32 --present=2 --dtype=bfloat16 --torch --compile \
  --frames=300 --joints=25 --channels=3 --classes=60
part float32 "${step[@]}" --batch=64 --present=2 --torch
part remat "${step[@]}" --batch=64 --dtype=bfloat16 --remat
part host "${main[@]}" --config.epochs=4 --workdir="$folder/host"
part on-device "${main[@]}" --config.epochs=4 --workdir="$folder/on_device" \
  --config.data.on_device=float32
part precision python benchmarks/precision.py "$folder/precision" --seeds=3 \
  --config=configs/synthetic.py:full --config.epochs=6
