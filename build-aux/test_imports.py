# SPDX-License-Identifier: MPL-2.0
"""Tests of imports.py."""

from pathlib import Path

import imports
import pytest

LIB = "mod element; pub mod engine;"


@pytest.fixture
def read(tmp_path: Path):
    """Reads a workspace of the given files, which may leave out src/lib.rs: its graph and its problems."""

    def read(files):
        (tmp_path / "Cargo.toml").write_text('[package]\nname = "gst-plugin-blurdm"\n[lib]\nname = "gstblurdm"\n')
        for name, text in {"src/lib.rs": LIB, **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        _, graph, problems = imports.read(tmp_path)
        return {file: sorted(to) for file, to in graph.items() if to}, problems

    return read


def test_re_exports_are_followed_to_the_defining_file(read):
    graph, problems = read(
        {
            "src/element/mod.rs": "use crate::engine::{self, Bundle as B}; fn f() { engine::Precision::new(); }",
            "src/engine/mod.rs": "mod bundle; mod precision; pub use bundle::Bundle; pub use self::precision::Precision;",
            "src/engine/bundle/mod.rs": "mod manifest; pub use manifest::*;",
            "src/engine/bundle/manifest.rs": "pub struct Bundle;",
            "src/engine/precision.rs": "pub enum Precision {}",
        }
    )
    assert graph["src/element/mod.rs"] == ["src/engine/bundle/manifest.rs", "src/engine/precision.rs"]
    assert problems == []


def test_code_for_tests_comments_and_literals_are_left_out(read):
    graph, problems = read(
        {
            "src/engine/mod.rs": "mod error; mod tiles;",
            "src/element/mod.rs": "",
            "src/engine/error.rs": "pub struct Error<'a>(&'a str);",
            "src/engine/tiles.rs": """
            // use super::error::Error;
            /* use super::error::Error; /* nested */ */
            const A: &str = "super::error::Error"; const B: char = '"'; const C: &str = r#"super::error::Error"#;
            #[cfg(test)]
            mod tests { use super::super::error::Error; }
            #[cfg(all(test, feature = "x"))]
            use super::error::Error;
        """,
        }
    )
    assert (graph, problems) == ({}, [])


def test_a_circle_is_named(read):
    _, problems = read(
        {
            "src/element/mod.rs": "",
            "src/engine/mod.rs": "mod tiles; mod window;",
            "src/engine/tiles.rs": "use derive::Tiles; #[derive(Tiles)] pub struct Tiles; fn f() { super::window::g() }",
            "src/engine/window.rs": "use super::tiles::Tiles; pub fn g() {}",
        }
    )
    assert problems == ["circle: src/engine/tiles.rs -> src/engine/window.rs -> src/engine/tiles.rs"]


def test_what_a_parent_defines_is_not_for_its_children(read):
    _, problems = read(
        {
            "src/element/mod.rs": "",
            "src/engine/mod.rs": "mod session; pub struct Deblurrer;",
            "src/engine/session/mod.rs": "mod graph;",
            "src/engine/session/graph.rs": "use super::super::Deblurrer;",
        }
    )
    assert "src/engine/session/graph.rs imports what its parent src/engine/mod.rs defines" in problems
    assert "src/engine/session/graph.rs reaches above its parent with super::super" in problems


def test_arrows_between_rooms_go_one_way(read):
    _, problems = read(
        {
            "src/element/mod.rs": "",
            "src/engine/mod.rs": "mod gpu; mod runtime;",
            "src/engine/gpu/mod.rs": "use crate::engine::runtime::log;\nfn f() { log::warn() }",
            "src/engine/runtime/mod.rs": "pub mod log;",
            "src/engine/runtime/log.rs": "pub fn warn() {}",
        }
    )
    wrong = "src/engine/gpu/mod.rs (gpu) imports src/engine/runtime/log.rs (runtime), which ROOMS does not let it"
    assert problems == [wrong]


def test_what_the_engine_re_exports_is_the_engines_for_the_element(read):
    _, problems = read(
        {
            "src/element/mod.rs": "use crate::engine::Runtime;",
            "src/engine/mod.rs": "mod runtime; pub use runtime::Runtime;",
            "src/engine/runtime/mod.rs": "pub struct Runtime;",
        }
    )
    assert problems == []


def test_a_file_without_a_room_is_a_problem(read):
    _, problems = read({"src/lib.rs": "mod other;", "src/other.rs": ""})
    assert problems == ["src/other.rs is in no room of ROOMS"]
