#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# run.sh [RESULTS]: everything that a machine with an NVIDIA GPU can show, from the folder that pack.sh has made. Needs GStreamer, an ONNX Runtime for the GPU (ORT_DYLIB_PATH) and, for
# the peers, a python3 (or PYTHON) with PyTorch. Goes on after what fails, since a machine with a GPU may be lent for minutes; RESULTS gets a log for each step and table.md, whose
# rows go into BENCHMARKS.md. Exit status 1 if a step failed.
#
# To try the script itself where there is no GPU: PROVIDER=cpu PRECISION=fp32 DEVICE=cpu SIZES=128x96 FRAMES=2.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
results=${1:-$PWD/gpu-results}
provider=${PROVIDER:-cuda} precision=${PRECISION:-fp16} device=${DEVICE:-cuda}
sizes=${SIZES:-1280x720,1920x1080} python=${PYTHON:-python3} frames=${FRAMES:-100}
mkdir -p "$results"
export BLURDM_MODELS=$here/models
export PYTHONPATH=$here/models
export GST_PLUGIN_PATH=$here/plugin
failed=0

step() { # NAME COMMAND…
  local name=$1 began=$SECONDS
  shift
  echo "--- $name"
  if "$@" >"$results/$name.log" 2>&1; then
    echo "    $((SECONDS - began)) s"
  else
    echo "    FAILED after $((SECONDS - began)) s; the end of $results/$name.log:"
    tail -n 5 "$results/$name.log" | sed 's/^/    /'
    failed=1
  fi
}

pytorch() { # NAME NETWORK [OPTION…]
  local name=$1
  shift
  # shellcheck disable=SC2086 # the sizes are words of their own
  step "pytorch-$name" "$python" "$here/pytorch.py" "$@" --device "$device" --sizes ${sizes//,/ } --frames "$frames" ${COMPILE:+"$COMPILE"}
}

element() { # NAME
  [ -d "$here/models/$1" ] || { echo "--- element-$1: no such bundle was packed" && return; }
  BLURDM_BENCH_BUNDLE=$here/models/$1 BLURDM_BENCH_SIZES=$sizes BLURDM_BENCH_PROVIDER=$provider BLURDM_BENCH_PRECISION=$precision \
    step "element-$1" "$here/bin/element-bench" --bench
}

step doctor "$here/bin/blurdm" doctor
[ "$provider" = cpu ] || step tests "$here/bin/gpu-tests" --nocapture --test-threads=1
# Each network beside its peers, so that they are measured in the same minutes.
element blurdm-small
pytorch blurdm-small "$here/models/training/configs/small.toml" --bundle "$here/models/blurdm-small"
element mimo-unet
pytorch mimo-unet mimo-unet
element blurdm-nano
pytorch blurdm-nano "$here/models/training/configs/nano.toml" --bundle "$here/models/blurdm-nano"
"$python" "$here/table.py" "$results" | tee "$results/table.md"
exit "$failed"
