"""The README and its translation say the same, and what they show exists."""

import re
from itertools import chain
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lossary.cli.app import app

ROOT = Path(__file__).parents[1]
NAMES = ("README.md", "README.zh-CN.md")
FENCED = re.compile(r"^```(.*?)^```$", re.DOTALL | re.MULTILINE)
each = pytest.mark.parametrize("name", NAMES)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_blocks(name: str) -> list[list[str]]:
    """The lines of each block, its language first, without their comments: those are translated."""
    return [[re.sub(r"(^|\s+)# .*", "", line) for line in block.splitlines()] for block in FENCED.findall(read(name))]


def images(name: str) -> list[str]:
    return re.findall(r"!\[[^\]]+\]\(([^)]+)\)", FENCED.sub("", read(name)))


def local_links(name: str) -> list[str]:
    links = re.findall(r"(?<!!)\[[^\]]+\]\(([^)]+)\)", FENCED.sub("", read(name)))
    return [link for link in links if "://" not in link]


def commands(name: str) -> list[list[str]]:
    lines = chain.from_iterable(code_blocks(name))
    return [line.split()[1:] for line in lines if re.match(r"lossary\b(?!\.)", line)]


def missing(paths: list[str]) -> list[str]:
    return [path for path in paths if not (ROOT / path.partition("#")[0]).exists()]


def test_code_is_the_same() -> None:
    ours, translated = map(code_blocks, NAMES)
    assert ours and translated == ours


def test_images_are_the_same() -> None:
    ours, translated = map(images, NAMES)
    assert ours and translated == ours


def test_links_are_the_same_and_lead_to_each_other() -> None:
    ours, translated = map(local_links, NAMES)
    assert "README.zh-CN.md" in ours
    other = {"README.zh-CN.md": "README.md", "handbook/en/index.md": "handbook/zh/index.md"}
    assert translated == [other.get(link, link) for link in ours]


@each
def test_images_exist(name: str) -> None:
    assert missing(images(name)) == []


@each
def test_links_resolve(name: str) -> None:
    assert missing(local_links(name)) == []


@each
def test_commands_and_their_options_are_real(name: str) -> None:
    shown = commands(name)
    assert shown
    for command, *arguments in shown:
        result = CliRunner().invoke(app, [command, "--help"])
        assert result.exit_code == 0, f"{name}: lossary {command}: {result.output}"
        known = set(re.findall(r"--[\w-]+", result.output))
        assert {argument for argument in arguments if argument.startswith("--")} <= known, f"lossary {command}"
