#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Tells which packages, at least of which version, a plugin needs: one line each, as in Depends of a Debian package.

What the GNU C library and GCC's own need is in the plugin itself. For GStreamer and GLib it is looked up in the symbols
files of Debian's packages, which tell for each function since when there is it.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

# GStreamer refuses a plugin that was built for a later minor version than its own, whatever it calls.
BUILT_FOR = {"libgstreamer1.0-0": "1.20.0", "libgstreamer-plugins-base1.0-0": "1.20.0"}
# These write a version beside each name.
VERSIONED = {"GLIBC": "libc6", "GCC": "libgcc-s1"}
# Their packages are found by the versions.
VERSIONED_LIBRARIES = re.compile(r"libc\.so|libm\.so|libdl\.so|libpthread\.so|librt\.so|ld-linux|libgcc_s\.so")


class Unknown(Exception):
    pass


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plugin", type=Path)
    parser.add_argument("symbols", type=Path, nargs="+", help="symbols files of the packages that it is linked with")
    parser.add_argument("--at-most", nargs="*", default=[], metavar="PACKAGE=VERSION", help="fail where more is needed")
    parser.add_argument("--optional", nargs="*", default=[], metavar="PACKAGE", help="what need not be needed, though it has a limit")
    options = parser.parse_args()
    limits = dict(limit.split("=") for limit in options.at_most)

    try:
        needed = needs(options.plugin, options.symbols)
    except (OSError, subprocess.CalledProcessError, Unknown) as error:
        print(f"needs.py: {error}", file=sys.stderr)
        return 1
    too_new = 0
    for package, (version, why) in sorted(needed.items()):
        print(f"{package} (>= {version})")
        limit = limits.pop(package, None)
        if limit is not None and numbers(version) > numbers(limit):
            print(f"needs.py: {options.plugin} needs {package} {version} for {why}, and {limit} is what it may need", file=sys.stderr)
            too_new = 1
    for package in limits.keys() - set(options.optional):
        print(f"needs.py: {options.plugin} does not need {package} at all: it was not linked as it should be", file=sys.stderr)
        too_new = 1
    return too_new


def needs(plugin: Path, symbols: list[Path]) -> dict[str, tuple[str, str]]:
    """The version needed of each package, and what for."""
    packages, since = read_symbols(symbols)
    needed: dict[str, tuple[str, str]] = {}

    def need(package: str, version: str, why: str) -> None:
        if package not in needed or numbers(version) > numbers(needed[package][0]):
            needed[package] = (version, why)

    for library in re.findall(r"\(NEEDED\).*\[(.+)\]", readelf("--dynamic", plugin)):
        if library in packages:
            need(packages[library], BUILT_FOR.get(packages[library], "0"), library)
        elif not VERSIONED_LIBRARIES.match(library):
            raise Unknown(f"{plugin} needs {library}, which is in none of the packages whose symbols files were given")

    # Those marked weak may be absent.
    for name in re.findall(r"Name: (\S+)  Flags: none  Version", readelf("--version-info", plugin)):
        kind, _, version = name.rpartition("_")
        if kind not in VERSIONED or not re.fullmatch(r"[0-9.]+", version):
            raise Unknown(f"{plugin} needs the version {name} of a library, and which package has it is not known here")
        need(VERSIONED[kind], version, name)

    for line in readelf("--dyn-syms", plugin).splitlines():
        fields = line.split()
        if len(fields) < 8 or fields[6] != "UND" or fields[4] == "WEAK" or "@" in fields[7]:
            continue
        if fields[7] not in since:
            raise Unknown(f"{plugin} needs {fields[7]}, which is in none of the packages whose symbols files were given")
        need(*since[fields[7]], fields[7])
    return needed


def read_symbols(files: list[Path]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """The package of each library, and the package and its oldest version for each function."""
    packages, since, package = {}, {}, ""
    for line in (line for file in files for line in file.read_text().splitlines()):
        fields = line.split()
        if line.startswith(" "):
            # Debian's own suffixes say nothing of the function, and "1.20.0~" means 1.20.0.
            since[fields[0].partition("@")[0]] = (package, re.match(r"[0-9.]*", fields[1])[0].rstrip("."))
        elif line[:1].isalnum():
            # What was renamed for 64-bit time goes by its old name as well.
            package = packages[fields[0]] = fields[1].removesuffix("t64")
    return packages, since


def readelf(what: str, plugin: Path) -> str:
    return subprocess.run(["readelf", "--wide", what, str(plugin)], check=True, capture_output=True, text=True).stdout


def numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


if __name__ == "__main__":
    sys.exit(main())
