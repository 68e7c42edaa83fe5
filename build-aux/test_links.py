# SPDX-License-Identifier: MPL-2.0
"""Tests of links.py."""

import subprocess
from pathlib import Path

import links
import pytest

MAIN = "fn main() {\n    run();\n}\n"


@pytest.fixture
def problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    """What links.py prints of a repository with the page docs/page.md."""

    def problems(page: str) -> list[str]:
        files = {"README.md": "# Top\n\n## Two `words`\n\n## Same\n\n## Same\n", "src/deep/main.rs": MAIN, "docs/page.md": page}
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
        subprocess.run(["git", "-C", tmp_path, "add", "."], check=True)
        monkeypatch.chdir(tmp_path)
        found = links.main()
        printed = capsys.readouterr().out.splitlines()
        assert found == (1 if printed else 0)
        return printed

    return problems


@pytest.mark.parametrize(
    "page",
    [
        "[a](../README.md) [b](../README.md#two-words) [c](../README.md#same-1) [d](#here)\n\n# Here\n",
        "[elsewhere](https://example.com/nothing.md) and `code [x](nothing.md)`\n",
        "\n\n    [indented](nothing.md)\n\n```\n[fenced](nothing.md)\n```\n",
        "`src/deep/main.rs`, `deep/main.rs`, `main.rs`, `page.md`, `src/NAME.rs` and `a b.rs`\n",
        f"```rust src/deep/main.rs\n{MAIN}```\n",
        "```rust src/deep/main.rs\n    run();\n```\n",
    ],
)
def test_a_page_whose_links_and_names_lead_somewhere_has_no_problem(problems, page):
    assert problems(page) == []


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("text\n\n[a](nothing.md)\n", "docs/page.md:3: nothing.md: there is no such file"),
        ("[a](../README.md#nothing)\n", "docs/page.md:1: ../README.md#nothing: docs/../README.md has no such heading"),
        ("[a](#nothing)\n", "docs/page.md:1: #nothing: docs/page.md has no such heading"),
        ("`src/other.rs`\n", "docs/page.md:1: `src/other.rs`: there is no such file"),
        ("\n`other.rs`\n", "docs/page.md:2: `other.rs`: there is no such file"),
        ("```rust src/deep/main.rs\n    walk();\n```\n", "docs/page.md:1: this is not what stands in src/deep/main.rs"),
        ("```rust src/other.rs\n```\n", "docs/page.md:1: this is not what stands in src/other.rs"),
    ],
)
def test_each_that_leads_nowhere_is_told_with_its_line(problems, page, said):
    assert problems(page) == [said]


def test_outside_a_checkout_everything_but_what_was_built_is_read(tmp_path, monkeypatch, capsys):
    for name in ("page.md", "build/fetched.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[a](nothing.md)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert links.main() == 1
    assert capsys.readouterr().out.splitlines() == ["page.md:1: nothing.md: there is no such file"]
