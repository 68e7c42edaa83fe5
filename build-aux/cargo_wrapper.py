#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Builds the plugin for Meson: with cargo-c, as gst-plugins-rs does, or with plain Cargo where that is missing."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="folder of Cargo.toml")
    parser.add_argument("--target-dir", type=Path, required=True, help="where Cargo builds")
    parser.add_argument("--output", type=Path, required=True, help="the plugin, named as Meson wants it")
    parser.add_argument("--depfile", type=Path, required=True, help="what Meson is told that the plugin is made of")
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--libdir", required=True)
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args()

    has_cargo_c = shutil.which("cargo-cbuild") is not None
    command = ["cargo", "cbuild", "--prefix", options.prefix, "--libdir", options.libdir, "--library-type", "cdylib"]
    if not has_cargo_c:
        command = ["cargo", "build", "--lib"]
    command += ["--locked", "--manifest-path", str(options.source / "Cargo.toml"), "--target-dir", str(options.target_dir)]
    if not options.debug:
        command.append("--release")

    try:
        built = subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        print("cargo_wrapper.py: cargo is missing: install Rust 1.92 or later", file=sys.stderr)
        return 1
    if built != 0:
        return built
    plugin = newest(options.target_dir, options.output.name)
    if plugin is None:
        print(f"cargo_wrapper.py: Cargo left no {options.output.name} in {options.target_dir}", file=sys.stderr)
        return 1
    shutil.copy2(plugin, options.output)
    copy_dependencies(plugin.with_suffix(".d"), options)
    return 0


def newest(folder: Path, name: str) -> Path | None:
    """The plugin that was built last: cargo-c puts it below the target triple, Cargo does not."""
    found = [path for profile in ("release", "debug") for path in folder.glob(f"**/{profile}/{name}")]
    return max(found, key=lambda path: path.stat().st_mtime, default=None)


def copy_dependencies(made_by_cargo: Path, options: argparse.Namespace) -> None:
    """Cargo's list, with the plugin under the name that Meson knows."""
    files = made_by_cargo.read_text().partition(": ")[2].splitlines()[0] if made_by_cargo.exists() else ""
    options.depfile.write_text(f"{options.output.name}: {files} {options.source / 'Cargo.toml'} {options.source / 'Cargo.lock'}\n")


if __name__ == "__main__":
    sys.exit(main())
