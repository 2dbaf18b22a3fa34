"""A page as a notebook: its code without prompts, with the output that was expected."""

import base64
import doctest
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes

PYCON = re.compile(r"^```pycon\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FRONT = re.compile(r"\A---\n.*?^---\n", re.DOTALL | re.MULTILINE)
FIGURE = re.compile(r"!\[([^\]]*)\]\(/(figures/[\w./-]+\.svg)\)")
SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)
DIRECTIVE = re.compile(r"^(?::{3,}|```\{)[^\n]*\n?|^```\{.*?^```$", re.DOTALL | re.MULTILINE)


def has_code(document: nodes.document) -> bool:
    return any(block.get("language") == "pycon" for block in document.findall(nodes.literal_block))


def notebook(text: str, sources: Path) -> str | None:
    """The notebook of a page in Markdown; None of one without code."""
    pieces = PYCON.split(FRONT.sub("", text.partition("<!-- not in the notebook -->")[0]))
    if len(pieces) == 1:
        return None
    cells: list[dict[str, Any]] = []
    for words, code in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        if words.strip():
            cells.append(_prose(words.strip(), sources))
        cells.extend(_code(code))
    numbered = [{**cell, "id": f"cell-{place}"} for place, cell in enumerate(cells)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": numbered}
    return json.dumps(book, ensure_ascii=False)


def _prose(text: str, sources: Path) -> dict[str, Any]:
    attachments = {}

    def attached(found: re.Match[str]) -> str:
        """Without the curves of losses, which would be most of the notebook."""
        shown = []
        if "/curves/" in found[2]:
            return ""
        path = sources / found[2]
        for place, svg in enumerate(SVG.findall(path.read_text(encoding="utf-8"))):
            name = f"{path.stem}-{place}.svg"
            attachments[name] = {"image/svg+xml": base64.b64encode(svg.encode()).decode()}
            shown.append(f"![{found[1]}](attachment:{name})")
        return " ".join(shown)

    text = FIGURE.sub(attached, DIRECTIVE.sub("", text))
    cell = {"cell_type": "markdown", "metadata": {}, "source": text}
    return cell | {"attachments": attachments} if attachments else cell


def _code(block: str) -> Iterator[dict[str, Any]]:
    """A cell for each output: a notebook shows only what its last line answers."""
    source = ""
    for example in doctest.DocTestParser().get_examples(block):
        source += example.source
        if example.want:
            yield _cell(source, example.want)
            source = ""
    if source:
        yield _cell(source, "")


def _cell(source: str, output: str) -> dict[str, Any]:
    outputs = [{"output_type": "stream", "name": "stdout", "text": output}] if output else []
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}}
    return cell | {"source": source.rstrip("\n"), "outputs": outputs}
