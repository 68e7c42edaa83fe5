#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Writes the licences of the Rust crates that the plugin and the command are linked with, as their authors ask of whoever passes it on."""

import json
import subprocess
import sys
from pathlib import Path

LINKED = ("gst-plugin-blurdm", "blurdm-cli")
LICENCE_FILES = ("LICENSE*", "LICENCE*", "COPYING*", "COPYRIGHT*", "NOTICE*", "UNLICENSE*")


def main() -> int:
    if len(sys.argv) != 2:
        print("third_party.py: usage: third_party.py TRIPLE", file=sys.stderr)
        return 2
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", sys.argv[1]]
    try:
        metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"third_party.py: Cargo cannot tell the crates: {error}", file=sys.stderr)
        return 1
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    own = {package["id"]: package["name"] for package in metadata["packages"] if package["id"] in metadata["workspace_members"]}
    linked, reached = set(), [package for package, name in own.items() if name in LINKED]
    while reached:
        node = reached.pop()
        if node not in linked:
            linked.add(node)
            # Without what only builds or tests.
            reached += [dep["pkg"] for dep in nodes[node]["deps"] if any(kind["kind"] is None for kind in dep["dep_kinds"])]

    print("libgstblurdm.so and blurdm are linked with these Rust crates. Where a choice of licences is given, any of them may be chosen.")
    crates = (package for package in metadata["packages"] if package["id"] in linked - own.keys())
    for crate in sorted(crates, key=lambda crate: (crate["name"], crate["version"])):
        print(f"\n{'=' * 80}\n{crate['name']} {crate['version']}: {crate['license']}")
        if crate["authors"]:
            print("By " + ", ".join(crate["authors"]))
        folder = Path(crate["manifest_path"]).parent
        for path in sorted({path for pattern in LICENCE_FILES for path in folder.glob(pattern) if path.is_file()}):
            print(f"\n--- {path.name}\n\n{path.read_text(errors='replace').strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
