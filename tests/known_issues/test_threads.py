"""Each of these tests links its thread, and docs/known_issues.md says of them what is so."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = (HERE.parents[1] / "docs" / "known_issues.md").read_text(encoding="utf-8")
THREAD = re.compile(r"([\w.-]+/[\w.-]+)(?:#|/issues/|/pull/)(\d+)")
FILES = [path for path in sorted(HERE.glob("test_*.py")) if path.name != Path(__file__).name]
TESTS = {
    node.name: ast.get_docstring(node) or ""
    for path in FILES
    for node in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
}


def threads(text: str) -> set[tuple[str, str]]:
    return set(THREAD.findall(text))


HELD = set().union(*(threads(doc) for doc in TESTS.values()))


@pytest.mark.parametrize("name", TESTS)
def test_its_name_and_its_link_are_of_one_thread(name):
    link = re.search(r"https://github\.com/\S+/(?:issues|pull)/(\d+)$", TESTS[name].splitlines()[0])
    assert link and re.search(rf"_{link.group(1)}_", name)


def test_the_page_counts_them():
    assert f"{len(HELD)} threads are held by {len(TESTS)} tests" in PAGE
    assert {f"../tests/known_issues/{path.name}" for path in FILES} == set(re.findall(r"\.\./tests/known\S+\.py", PAGE))


def test_no_thread_is_held_and_said_not_to_be():
    _, elsewhere = PAGE.split("## Reported elsewhere, not tested here")
    assert threads(elsewhere) and not threads(elsewhere) & HELD
