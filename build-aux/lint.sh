#!/usr/bin/env bash
# SPDX-License-Identifier: MPL-2.0
# Checks what can be checked without running it: format, lints, documentation, licences, Python, scripts, spelling and links.
# Goes on after a finding, and names at the end the checks that found something.
#
# Usage: lint.sh FOLDER   programs that neither Rust nor the system brings are fetched into FOLDER
#
# A check whose program cannot be had is skipped with a message. Where CI is set, it fails.

set -euo pipefail
[ $# -eq 1 ] || {
    sed -n 's/^# Usage: /usage: /p' "$0" >&2
    exit 2
}
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
failed=()

# check NAME COMMAND...
check() {
    local name=$1
    shift
    echo "--- $name"
    "$@" || failed+=("$name")
}

# fetched WHAT PINNED: fetches it unless it is there and no older than the file that pins it.
fetched() {
    [ "$folder/$1" -nt "$2" ] || "$here/fetch.sh" "$1" "$folder/$1"
}

# check_with NAME PROGRAM ARGUMENT...: a check with a program that was fetched, or that the system has.
check_with() {
    local name=$1 program=$2
    shift 2
    if ! command -v "$program" >/dev/null; then
        if [ -n "${CI:-}" ]; then
            echo "lint.sh: $program is missing: see above, or install it" >&2
            failed+=("$name")
        else
            echo "lint.sh: skipped: $name, since $program is missing: see above, or install it" >&2
        fi
        return
    fi
    check "$name" "$program" "$@"
}

# Outside a checkout: all but what was built.
scripts() {
    git ls-files -- '*.sh' .ci/run 2>/dev/null ||
        find . .ci/run \( -path ./build -o -path ./demo -o -path ./target \) -prune -o \( -name '*.sh' -o -path .ci/run \) -print
}

mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
fetched lint "$here/lint-$(uname -m).txt" || true
fetched cargo-deny "$here/cargo-deny.txt" || true
PATH=$folder/lint:$folder/cargo-deny:$PATH

check 'cargo fmt' cargo fmt --all --check
check 'cargo fmt, fuzz' cargo fmt --manifest-path fuzz/Cargo.toml --check
check 'cargo clippy' cargo clippy --workspace --all-targets --locked -- -D warnings
RUSTDOCFLAGS='-D warnings' check 'cargo doc' cargo doc --workspace --no-deps --document-private-items --locked
check 'imports' "$here/imports.py" --quiet

# The database of advisories is a repository of its own, and not every machine may reach it.
kinds=(licenses bans sources)
if timeout 20 git ls-remote --exit-code https://github.com/RustSec/advisory-db HEAD >/dev/null 2>&1; then
    kinds+=(advisories)
else
    echo 'lint.sh: known vulnerabilities of crates are not checked: github.com/RustSec/advisory-db cannot be reached' >&2
fi
check_with 'cargo deny' cargo-deny --log-level error check "${kinds[@]}"

check_with ruff ruff check --quiet --output-format concise
mapfile -t scripts < <(scripts)
check_with shellcheck shellcheck "${scripts[@]}"
check_with typos typos
check 'links' "$here/links.py"

if [ ${#failed[@]} -gt 0 ]; then
    printf 'lint.sh: findings above, of: %s\n' "$(printf '%s, ' "${failed[@]}" | sed 's/, $//')" >&2
    exit 1
fi
