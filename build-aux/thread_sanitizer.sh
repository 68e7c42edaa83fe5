#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Runs the tests in which threads meet under ThreadSanitizer: frames in flight, adaptation, cancelling, loading, and everything at once. Says so where
# there is no nightly compiler with the sources of the standard library, which are compiled with it.
#
# Usage: thread_sanitizer.sh FOLDER RUNTIME   everything that is built goes into FOLDER; RUNTIME has ONNX Runtime
#
# GStreamer and ONNX Runtime are not compiled with it. Their calls are ignored: the locks of GLib would not be seen. Exit status 1 if a race is reported or a
# test fails.

set -euo pipefail
[ $# -eq 2 ] || {
    sed -n 's/^# Usage: /usage: /p' "$0" >&2
    exit 2
}
mkdir -p "$1"
folder=$(realpath "$1")
export ORT_DYLIB_PATH="${ORT_DYLIB_PATH:-$(realpath "$2")}"
cd "$(dirname "$0")/.."

sources=$(rustc +nightly --print sysroot 2>/dev/null)/lib/rustlib/src/rust/library
[ -d "$sources" ] || {
    echo 'thread_sanitizer.sh: skipped: there is no nightly compiler with the sources of the standard library.' \
        'Run rustup toolchain install nightly --component rust-src.'
    exit 0
}

host=$(rustc +nightly -vV | sed -n 's/^host: //p')
export RUSTFLAGS='-Zsanitizer=thread' CARGO_TARGET_DIR="$folder"
export TSAN_OPTIONS='ignore_noninstrumented_modules=1 second_deadlock_stack=1 exitcode=66'
failed=0
# The tests of adaptation measure time, which the sanitizer takes many times as much of.
for test in in_flight cancel loading stress; do
    log=$folder/$test.log status=0
    cargo +nightly test -Zbuild-std --target "$host" --locked --package gst-plugin-blurdm --test "$test" -- --test-threads=1 >"$log" 2>&1 || status=$?
    echo "$test: exit status $status, $(grep -c 'WARNING: ThreadSanitizer' "$log" || true) reports, $(sed -n 's/^test result: //p' "$log")"
    if [ "$status" -ne 0 ]; then
        failed=1
        cat "$log" >&2
    fi
done
exit "$failed"
