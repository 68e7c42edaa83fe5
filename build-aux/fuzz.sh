#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Builds the targets in fuzz/ with coverage, and runs each of them for a time, as many at once as there are cores.
# What libFuzzer finds is kept, and tried again by the next run.
#
# Usage: fuzz.sh FOLDER SECONDS [TARGET...]   everything that is built or found goes into FOLDER

set -euo pipefail
[ $# -ge 2 ] || {
    sed -n 's/^# Usage: /usage: /p' "$0" >&2
    exit 2
}
mkdir -p "$1"
folder=$(cd "$1" && pwd)
seconds=$2
shift 2
cd "$(dirname "$0")/.."

version=0.13.1
tool=$folder/tool-$version
[ -x "$tool/bin/cargo-fuzz" ] || cargo install --quiet --locked --root "$tool" --version "$version" cargo-fuzz

targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo metadata --manifest-path fuzz/Cargo.toml --no-deps --format-version 1 | python3 -c '
import json, sys
print("\n".join(target["name"] for target in json.load(sys.stdin)["packages"][0]["targets"]))')

# cargo-fuzz has no --locked.
cargo fetch --quiet --locked --manifest-path fuzz/Cargo.toml
# Without a sanitizer, which needs a nightly compiler: what is tried is safe Rust.
"$tool/bin/cargo-fuzz" fuzz build --fuzz-dir fuzz --sanitizer none --target-dir "$folder/target"
programs=$folder/target/$(rustc -vV | sed -n 's/^host: //p')/release

# run TARGET: one line where it holds, the whole log where it does not.
run() {
    local target=$1 log
    log=$folder/$target.log
    mkdir -p "$folder/corpus/$target"
    if "$programs/$target" "$folder/corpus/$target" "fuzz/seeds/$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 \
        -artifact_prefix="$folder/$target-" -print_final_stats=1 >"$log" 2>&1; then
        echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs in $seconds s"
    else
        cat "$log" >&2
        echo "fuzz.sh: $target has failed; $folder/$target-* has the input" >&2
        return 1
    fi
}
export -f run
export folder seconds programs
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'run {}'
