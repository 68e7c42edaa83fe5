#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# pack.sh FOLDER: builds what the checks on an NVIDIA GPU run, and puts it into FOLDER, from where run.sh runs it: here, or on a machine that has the GPU
# and nothing to build with. With PYTHON (one that has models/training/requirements.txt) it also exports MIMO-UNet+ at its published size.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:?pack.sh FOLDER}
features=gpu${FEATURES:+,$FEATURES}

# The file that cargo has built for a target of a kind.
built() { # KIND NAME, on standard input what cargo says
  python3 -c '
import json, sys
kind, name = sys.argv[1:]
found = [m["executable"] for m in map(json.loads, sys.stdin) if m["reason"] == "compiler-artifact" and m["target"]["name"] == name and kind in m["target"]["kind"] and m["executable"]]
print(found[-1])' "$1" "$2"
}

target=${CARGO_TARGET_DIR:-target}
cargo build --release --locked --package gst-plugin-blurdm --package blurdm-cli --features "$features" --lib --bins
tests=$(cargo test --release --locked --features "$features" --test gpu --no-run --message-format=json | built test gpu)
bench=$(cargo bench --locked --features "$features" --bench element --no-run --message-format=json | built bench element)

rm -rf "$out"
mkdir -p "$out/bin" "$out/plugin" "$out/models/training"
cp "$target/release/blurdm" "$out/bin/"
cp "$tests" "$out/bin/gpu-tests"
cp "$bench" "$out/bin/element-bench"
cp "$target/release/libgstblurdm.so" "$out/plugin/"
cp -r models/blurdm-nano models/blurdm-small "$out/models/"
tar c --exclude=__pycache__ --exclude=tests --exclude='*.png' -C models training | tar x -C "$out/models"
cp benches/gpu/run.sh benches/gpu/pytorch.py benches/gpu/table.py "$out/"
if [ -n "${PYTHON:-}" ]; then
  PYTHONPATH=models "$PYTHON" benches/gpu/published.py mimo-unet "$out/models/mimo-unet"
else
  echo 'pack.sh: PYTHON is not set, so that MIMO-UNet+ is left out' >&2
fi
du -sh "$out"
