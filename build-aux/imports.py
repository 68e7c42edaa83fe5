#!/usr/bin/env python3
# SPDX-License-Identifier: MPL-2.0
"""Draws the imports of the workspace's source files, and checks that they go one way.

Reads the `mod` and `use` declarations and the qualified paths of src/ and crates/*/src/, follows re-exports to the file that defines
the item, and leaves out what is compiled for tests only. Prints one line for each file with the files that it imports, or the graph in
the DOT language:

    build-aux/imports.py                 the graph as text
    build-aux/imports.py --dot | dot -Tsvg >imports.svg
    build-aux/imports.py --rooms         the arrows between the rooms only
    build-aux/imports.py --quiet         problems only, for `make test`

Exits with 1, and names the files, when
- files import each other in a circle,
- a file imports what one of its parents' mod.rs defines, or reaches above its parent with `super::super`,
- a file imports a room that ROOMS does not let it import, or belongs to no room.
"""

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

# The rooms, from the top of the house down: the files or folders of each, and the rooms that it may import.
# The longest prefix that matches a file's path decides; from outside `src/engine` all that it re-exports is the engine's.
ROOMS = {
    "cli": (["crates/blurdm-cli/src"], ["element", "engine", "mp4-splice", "dashcam-gps"]),
    "mp4-splice": (["crates/mp4-splice/src"], []),
    "dashcam-gps": (["crates/dashcam-gps/src"], []),
    "plugin": (["src/lib.rs"], ["element"]),
    "element": (["src/element"], ["stream", "timing", "element types", "engine", "diffusion", "frame"]),
    "stream": (["src/element/stream"], ["timing", "element types", "engine", "diffusion", "frame"]),
    # What the element and its stream share.
    "element types": (
        [f"src/element/{name}.rs" for name in ["enums", "errors", "messages", "settings", "shared"]],
        ["timing", "engine", "diffusion", "frame"],
    ),
    "timing": (["src/element/timing"], ["engine", "frame"]),
    "engine": (["src/engine"], ["selection", "session", "bundle", "runtime", "gpu", "engine types", "diffusion", "frame"]),
    "selection": (["src/engine/selection"], ["session", "bundle", "runtime", "gpu", "engine types"]),
    "session": (["src/engine/session"], ["bundle", "runtime", "gpu", "engine types", "diffusion"]),
    "bundle": (["src/engine/bundle"], ["engine types", "diffusion"]),
    "runtime": (["src/engine/runtime"], ["engine types"]),
    "gpu": (["src/engine/gpu"], ["engine types"]),
    # What all rooms of the engine share.
    "engine types": (
        [f"src/engine/{name}.rs" for name in ["buffers", "error", "frame_size", "options", "precision", "prior_in_use", "provider", "regular_file", "timing"]],
        ["diffusion"],
    ),
    "diffusion": (["src/diffusion"], []),
    "frame": (["src/frame"], []),
}

# Imports that are not counted, each with its reason.
EXCEPTIONS = {
    ("src/element/imp.rs", "src/element/mod.rs"): "glib::wrapper! names the implementation, whose Type is the wrapper",
}

TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|b?c?r(?P<hashes>\#*)"(?:.|\n)*?"(?P=hashes)|[bc]?"(?:\\.|[^"\\])*"|b?'(?:\\[^\n]*?|[^'\\\n])'|'\w+)"""
    r"""|(?P<comment>/\*)|(?P<word>(?:r\#)?[A-Za-z_]\w*)|(?P<other>::|=>|.)""",
    re.DOTALL,
)


def tokens(text):
    """Splits Rust source into words and punctuation, without comments, literals and lifetimes."""
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        at = match.end()
        if match["comment"]:
            depth = 1
            while depth and (edge := re.compile(r"/\*|\*/").search(text, at)):
                depth += 1 if edge[0] == "/*" else -1
                at = edge.end()
        elif not match["skip"]:
            found.append(match[0].removeprefix("r#"))
    return found


class Module:
    """A module: where it is, what it declares, and what it mentions."""

    def __init__(self, file, path, parent=None):
        self.file, self.path, self.parent = file, path, parent
        self.children = {}
        self.items = set()
        self.uses = {}  # name -> path, as written
        self.globs = []
        self.mentions = []  # paths, as written
        self.supers = False  # whether it reaches above its parent


class Source:
    """Reads one crate's modules."""

    def __init__(self, root, crates):
        self.root, self.crates, self.modules = root, crates, []

    def read(self, file, path=(), parent=None, folder=None):
        module = Module(file, path, parent)
        self.modules.append(module)
        self.folder = folder or file.parent
        self.scan(module, tokens(file.read_text()), self.folder)
        return module

    def scan(self, module, words, folder):
        at, test = 0, False
        while at < len(words):
            word = words[at]
            if word == "#":
                # An attribute: `cfg(test)` leaves out the item behind it.
                at += 2 if words[at + 1] == "!" else 1
                end = closing(words, at)
                attribute = words[at : end + 1]
                test |= attribute[1] == "cfg" and "test" in attribute and "not" not in attribute
                self.paths(module, attribute)
                at = end + 1
                continue
            if test and word not in ("pub", "("):
                at, test = skip_item(words, at), False
                continue
            if word == "pub" or (test and word == "("):
                at = closing(words, at + 1) + 1 if words[at + 1] == "(" else at + 1
                continue
            if word == "mod" and at + 2 < len(words) and words[at + 2] in (";", "{"):
                at = self.declare(module, words, at, folder)
                continue
            if word == "use":
                end = words.index(";", at)
                self.use(module, words[at + 1 : end])
                at = end + 1
                continue
            if word in ("fn", "struct", "enum", "trait", "type", "const", "static", "union") and at + 1 < len(words):
                module.items.add(words[at + 1] if words[at + 1] != "mut" else words[at + 2])
            if re.match(r"[A-Za-z_]", word):
                end = self.path_end(words, at)
                if end > at + 1:
                    self.mention(module, words[at:end:2])
                at = end
                continue
            at += 1

    def paths(self, module, words):
        at = 0
        while at < len(words):
            end = self.path_end(words, at)
            if end > at + 1:
                self.mention(module, words[at:end:2])
            at = max(end, at + 1)

    @staticmethod
    def path_end(words, at):
        if not re.match(r"[A-Za-z_]", words[at]):
            return at
        end = at + 1
        while end + 1 < len(words) and words[end] == "::" and re.match(r"[A-Za-z_]", words[end + 1]):
            end += 2
        return end

    @staticmethod
    def mention(module, path):
        module.supers |= list(path[:2]) == ["super", "super"]
        module.mentions.append(tuple(path))

    def declare(self, module, words, at, folder):
        name = words[at + 1]
        if words[at + 2] == "{":
            child = Module(module.file, (*module.path, name), module)
            self.modules.append(child)
            module.children[name] = child
            end = closing(words, at + 2)
            self.scan(child, words[at + 3 : end], folder / name)
            return end + 1
        for file in (folder / f"{name}.rs", folder / name / "mod.rs"):
            if file.is_file():
                module.children[name] = self.read(file, (*module.path, name), module, folder / name)
        return at + 3

    def use(self, module, words, prefix=()):
        """A use tree: records names, and mentions every path."""
        path, at = list(prefix), 0
        while at < len(words):
            word = words[at]
            if word == "{":
                for part in split(words[at + 1 : closing(words, at)]):
                    self.use(module, part, tuple(path))
                return
            if word == "*":
                module.globs.append(tuple(path))
                return
            if word == "as":
                self.name(module, words[at + 1], tuple(path))
                return
            if word == "self" and path:
                break
            if word != "::":
                path.append(word)
            at += 1
        if path:
            self.name(module, path[-1], tuple(path))

    def name(self, module, name, path):
        module.uses[name] = path
        self.mention(module, path)

    def resolve(self, module, path, seen=frozenset()):
        """The module that defines what a path written in `module` names, and whether it is the module itself that is named."""
        first, rest = path[0], path[1:]
        if (module.path, path) in seen:
            return None
        seen = seen | {(module.path, path)}
        if first == "crate":
            return self.walk(self.modules[0], rest, seen)
        if first == "self":
            return self.walk(module, rest, seen)
        if first == "super":
            return self.walk(module.parent, rest, seen) if module.parent else None
        if first in module.children or first in module.items or first in module.uses:
            return self.walk(module, path, seen)
        if first in self.crates:
            return self.crates[first].walk(self.crates[first].modules[0], rest, seen)
        return self.through_globs(module, path, seen)

    def walk(self, module, path, seen):
        if not path:
            return module, True
        first, rest = path[0], path[1:]
        if first == "super":
            return self.walk(module.parent, rest, seen) if module.parent else None
        if first in module.children:
            return self.walk(module.children[first], rest, seen)
        # An item may have the name of a macro that is imported, such as thiserror's Error.
        if first in module.items:
            return module, False
        if first in module.uses:
            return self.resolve(module, (*module.uses[first], *rest), seen)
        return self.through_globs(module, path, seen)

    def through_globs(self, module, path, seen):
        for glob in module.globs:
            base = self.resolve(module, glob, seen)
            if base and base[1] and (found := self.walk(base[0], path, seen)):
                return found
        return None

    def imports(self):
        """The pairs of files of which the first imports the second."""
        for module in self.modules:
            for path in module.mentions:
                found = self.resolve(module, path)
                if found and not found[1] and found[0].file != module.file:
                    yield module, found[0]


def closing(words, at):
    """Where the bracket that opens at `at` closes."""
    pairs, depth = {"(": ")", "[": "]", "{": "}"}, 0
    for end in range(at, len(words)):
        depth += (words[end] in pairs) - (words[end] in pairs.values())
        if not depth:
            return end
    return len(words) - 1


def skip_item(words, at):
    """Behind the item that begins at `at`."""
    while at < len(words) and words[at] not in (";", "{"):
        at = closing(words, at) + 1 if words[at] in ("(", "[") else at + 1
    return closing(words, at) + 1 if at < len(words) and words[at] == "{" else at + 1


def split(words):
    """The parts of a list at its commas."""
    parts, depth = [[]], 0
    for word in words:
        depth += (word in "{(") - (word in "})")
        if word == "," and not depth:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def workspace(root):
    """The crates of a workspace, each from its root file."""
    found, crates = [], {}
    for folder in [root, *sorted(root.glob("crates/*"))]:
        manifest = (folder / "Cargo.toml").read_text() if (folder / "Cargo.toml").is_file() else ""
        named = re.search(r'\[lib\][^\[]*?name = "(\w+)"', manifest) or re.search(r'name = "([\w-]+)"', manifest)
        for file in [folder / "src/lib.rs", folder / "src/main.rs", *sorted(folder.glob("src/bin/*/main.rs"))]:
            if file.is_file():
                source = Source(root, crates)
                found.append((source, file))
                if file.name == "lib.rs" and named:
                    crates[named[1].replace("-", "_")] = source
    for source, file in found:
        source.read(file)
    return [source for source, _ in found]


def circles(graph):
    """The strongly connected components of more than one file (Tarjan), each as one shortest circle in it and all its files."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for to in graph.get(node, ()):
            if to not in index:
                visit(to)
                low[node] = min(low[node], low[to])
            elif to in stack:
                low[node] = min(low[node], index[to])
        if low[node] == index[node]:
            component = set()
            while node not in component:
                component.add(stack.pop())
            if len(component) > 1:
                found.append(component)

    sys.setrecursionlimit(10_000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return [(shortest(graph, component), component) for component in found]


def shortest(graph, component):
    best = None
    for start in sorted(component):
        paths, seen = [[start]], {start}
        while paths and not best:
            path = paths.pop(0)
            for to in sorted(graph.get(path[-1], set()) & component):
                if to == start:
                    best = path if best is None or len(path) < len(best) else best
                elif to not in seen:
                    seen.add(to)
                    paths.append([*path, to])
    return best


def inside(file, prefix):
    return file == prefix or file.startswith(f"{prefix}/")


def room_of(file, seen_from=None):
    """The room of a file. Seen from outside a folder, what lies in the rooms inside it belongs to the room of the folder."""
    prefixes = sorted((prefix, room) for room, (prefixes, _) in ROOMS.items() for prefix in prefixes if inside(file, prefix))
    for prefix, room in prefixes:
        if seen_from and not inside(seen_from, prefix):
            return room
    return prefixes[-1][1] if prefixes else None


def read(root):
    """The files of a workspace, the imports of each, and what is wrong with them."""

    def name(module):
        return module.file.relative_to(root).as_posix()

    modules = [(source, module) for source in workspace(root) for module in source.modules]
    files = {name(module) for _, module in modules}
    graph = defaultdict(set)
    problems = {f"{name(module)} reaches above its parent with super::super" for _, module in modules if module.supers}
    for source in {source for source, _ in modules}:
        for module, to in source.imports():
            if (name(module), name(to)) in EXCEPTIONS:
                continue
            graph[name(module)].add(name(to))
            if to in source.modules and module.path[: len(to.path)] == to.path:
                problems.add(f"{name(module)} imports what its parent {name(to)} defines")
    return files, graph, sorted(problems | set(circular(graph)) | set(against_rooms(files, graph)))


def circular(graph):
    for circle, component in circles(graph):
        others = f" (and {len(component) - len(circle)} more files with them)" if len(component) > len(circle) else ""
        yield f"circle: {' -> '.join([*circle, circle[0]])}{others}"


def against_rooms(files, graph):
    for file in files:
        if (room := room_of(file)) is None:
            yield f"{file} is in no room of ROOMS"
            continue
        for to in graph[file]:
            if (other := room_of(to, seen_from=file)) not in (None, room, *ROOMS[room][1]):
                yield f"{file} ({room}) imports {to} ({other}), which ROOMS does not let it"


def rooms(graph):
    arrows = defaultdict(set)
    for file, imported in graph.items():
        arrows[room_of(file)] |= {room_of(to, seen_from=file) for to in imported} - {room_of(file)}
    return arrows


def dot(files, graph):
    yield "digraph imports {\n  rankdir=LR; node [shape=box, fontname=sans];"
    by_room = defaultdict(list)
    for file in sorted(files):
        by_room[room_of(file)].append(file)
    for number, (room, members) in enumerate(by_room.items()):
        yield f'  subgraph cluster_{number} {{ label="{room}";'
        yield from (f'    "{file}" [label="{file.removeprefix("src/")}"];' for file in members)
        yield "  }"
    for file in sorted(graph):
        yield from (f'  "{file}" -> "{to}";' for to in sorted(graph[file]))
    yield "}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent, help="the workspace")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--dot", action="store_true", help="print the graph in the DOT language")
    form.add_argument("--rooms", action="store_true", help="print the arrows between rooms only")
    form.add_argument("--quiet", action="store_true", help="print problems only")
    arguments = parser.parse_args()
    files, graph, problems = read(arguments.root.resolve())
    if arguments.dot:
        print("\n".join(dot(files, graph)))
    elif not arguments.quiet:
        arrows = rooms(graph) if arguments.rooms else graph
        for name in sorted(arrows if arguments.rooms else files, key=str):
            print(f"{name} -> {', '.join(sorted(map(str, arrows[name]))) or '-'}")
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
