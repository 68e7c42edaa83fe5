#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Checks the Markdown files: relative links lead to a file and to a heading in it, files of this repository that are named in
backticks are there, and a code block that names a file after its language (```c examples/c/restore_file.c) is a part of that file."""

import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote

FENCE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1", re.MULTILINE | re.DOTALL)
EXCERPT = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n+)+")
CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^ {0,3}\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
SOURCES = {".rs", ".py", ".sh"}
BUILT = {".git", "build", "demo", "target"}
# A word in capitals stands for a name that the reader chooses.
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b(?!\.md)|[*{…]")


def main() -> int:
    tracked = _files()
    folders = {path.parts[0] for path in tracked if len(path.parts) > 1}
    wrong = 0
    for path in tracked:
        if path.suffix != ".md" or not path.is_file():
            continue
        text = path.read_text()
        prose = INDENTED.sub("\n", FENCE.sub("", text))
        for target in (*LINK.findall(CODE.sub("", prose)), *REFERENCE.findall(prose)):
            if why := _broken(path, target):
                wrong += 1
                print(f"{path}:{_line(text, target)}: {target}: {why}")
        for name in CODE.findall(prose):
            named = Path(name)
            if " " in name or PLACEHOLDER.search(name):
                continue
            rooted = len(named.parts) > 1 and named.parts[0] in folders
            if not rooted and named.suffix not in SOURCES:
                continue
            # A page may name a file from its own folder on, and a source file by the end of its path.
            ends = not rooted and any(str(file).endswith(f"/{name}") for file in tracked)
            if not (ends or named.exists() or (path.parent / named).exists()):
                wrong += 1
                print(f"{path}:{_line(text, name)}: `{name}`: there is no such file")
        for name, excerpt in EXCERPT.findall(text):
            if not Path(name).is_file() or excerpt not in Path(name).read_text():
                wrong += 1
                print(f"{path}:{_line(text, name)}: this is not what stands in {name}")
    return min(wrong, 1)


def _broken(path: Path, target: str) -> str | None:
    """Why a link leads nowhere; none where it leads somewhere, or to another site."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    name, _, heading = target.partition("#")
    file = path.parent / unquote(name) if name else path
    if not file.exists():
        return "there is no such file"
    if heading and file.suffix == ".md" and heading not in _headings(file):
        return f"{file} has no such heading"
    return None


@cache
def _headings(path: Path) -> set[str]:
    """As GitHub names them: in lower case, without punctuation, hyphens for spaces, and a number from the second of a name on."""
    seen: Counter[str] = Counter()
    names = set()
    for title in HEADING.findall(FENCE.sub("", path.read_text())):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "")
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def _line(text: str, what: str) -> int:
    return text.count("\n", 0, text.find(what)) + 1


def _files() -> list[Path]:
    """What Git tracks here; outside a checkout, everything but what was built."""
    try:
        names = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return [path for path in Path().rglob("*") if path.is_file() and path.parts[0] not in BUILT]
    return [Path(name) for name in names.split("\0") if name]


if __name__ == "__main__":
    sys.exit(main())
