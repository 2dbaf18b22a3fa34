"""Builds the handbook in English and Chinese: build/site. `make site`

The guides of handbook/en and handbook/zh and the pages that are made from the package are laid beside each other in
build/handbook, where Sphinx reads them.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from handbook import mathematics, words
from handbook.contents import FOLDERS

ROOT = Path(__file__).parents[1]
WORK = ROOT / "build" / "handbook"
SITE = ROOT / "build" / "site"
LANGUAGES = ("en", "zh")
GUIDES = (".md", ".png", ".svg", ".csv")


def main(arguments: list[str]) -> int:
    if arguments:
        return build(arguments[0])
    mathematics.install(WORK)
    shutil.copy(ROOT / "handbook" / "index.html", _made(SITE))
    running = [subprocess.Popen([sys.executable, "-m", "handbook.build", language]) for language in LANGUAGES]
    return max(process.wait() for process in running)


def build(language: str) -> int:
    from sphinx.cmd.build import build_main

    from handbook.pages import Writer
    from lossary import explorer

    sources = WORK / language
    guides = ROOT / "handbook" / language
    written = {p.relative_to(guides).as_posix(): p.read_bytes() for p in guides.rglob("*") if p.suffix in GUIDES}
    made = {place: text.encode() for place, text in Writer(language).sources().items()}
    made |= {f"reference/images/{p.name}": p.read_bytes() for p in (ROOT / "docs" / "images").glob("*.svg")}
    made["explorer.md"] = words.speaker(language)("# Explorer", "# 损失函数探索器").encode()
    files = made | written
    lay(sources, files | {f"{folder}/index.md": listed(folder, files, language).encode() for folder in FOLDERS})
    shutil.rmtree(SITE / language, ignore_errors=True)
    options = ["-b", "html", "-W", "--keep-going", "-q", "-t", language, "-c", str(ROOT / "handbook")]
    doctrees = WORK / "doctrees" / language
    failed = build_main([*options, "-d", str(doctrees), str(sources), str(SITE / language)])
    (SITE / language / "explorer.html").write_text(explorer.page(), encoding="utf-8")
    return failed


def listed(folder: str, files: Iterable[str], language: str) -> str:
    """The page of a folder: its title, and a link to each page in it, which Sphinx gives that page's title."""
    inside = sorted(place for place in files if fnmatch(place, f"{folder}/*.md") and place.count("/") == 1)
    more = [place for place in files if fnmatch(place, f"{folder}/*/index.md")]
    title, about = (words.speaker(language)(*said) for said in FOLDERS[folder])
    return "\n".join([f"# {title}", "", about, "", *(f"- [](/{p})" for p in inside + more)])


def lay(folder: Path, files: dict[str, bytes]) -> None:
    """Have these files in a folder, no others; those that have not changed keep their time, and are not read again."""
    for path in [p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() not in files]:
        path.unlink()
    for place, content in files.items():
        path = folder / place
        if not path.exists() or path.read_bytes() != content:
            _made(path.parent)
            path.write_bytes(content)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    raise SystemExit(main(sys.argv[1:]))
