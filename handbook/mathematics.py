"""Formulas as HTML, by KaTeX, when the page is built: readers need neither a script nor a network."""

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

HERE = Path(__file__).parent
logger = logging.getLogger(__name__)
UNUSED = r"KaTeX_(?:Fraktur|SansSerif|Script|\w+-BoldItalic|Caligraphic-Bold)"
"""Fonts that no formula is set in."""


def install(folder: Path) -> None:
    """KaTeX of package-lock.json, below a folder: in node_modules, and what a page needs of it in `katex`."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = HERE / "package-lock.json"
    installed = folder / wanted.name
    if (folder / "katex").exists() and installed.exists() and installed.read_bytes() == wanted.read_bytes():
        return
    if not shutil.which("npm"):
        raise SystemExit("make site: formulas are written by KaTeX, which needs node and npm: install both")
    shutil.copy(HERE / "package.json", folder)
    shutil.copy(wanted, folder)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)
    made = folder / "node_modules" / "katex" / "dist"
    (folder / "katex" / "fonts").mkdir(parents=True, exist_ok=True)
    for font in (made / "fonts").glob("*.woff2"):
        if not re.search(UNUSED, font.name):
            shutil.copy(font, folder / "katex" / "fonts")
    style = (made / "katex.min.css").read_text(encoding="utf-8")
    only_woff2 = re.sub(r',url\([^)]*\) format\("(?:woff|truetype)"\)', "", style)
    used = re.sub(rf"@font-face\{{[^}}]*{UNUSED}[^}}]*\}}", "", only_woff2)
    (folder / "katex" / "katex.min.css").write_text(used, encoding="utf-8")


class Katex:
    """A process of node that turns one formula after another into HTML."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            ["node", str(HERE / "katex.js")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=os.environ | {"NODE_PATH": str(folder / "node_modules")},
        )

    @cache  # noqa: B019 - one object, which lives as long as the build
    def html(self, latex: str, display: bool) -> str:
        """ValueError with what KaTeX says of a formula that it cannot read."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps({"latex": latex, "display": display}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer["html"]

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def visit(self, node: nodes.Element) -> None:
    display = isinstance(node, nodes.math_block)
    latex = node.astext()
    try:
        html = self.builder.app.katex.html(latex, display)
    except ValueError as error:
        logger.warning("%s: %s", latex, error, location=node)
        html = ""
    if display:
        html = f'<div class="math" tabindex="0">{html}</div>'
    self.body.append(html)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    folder = Path(app.confdir).parent / "build" / "handbook"
    app.katex = Katex(folder)  # pyright: ignore[reportAttributeAccessIssue]
    app.add_html_math_renderer("katex", (visit, None), (visit, None))
    app.config.html_static_path.append(str(folder / "katex"))
    app.add_css_file("katex.min.css")
    app.connect("build-finished", lambda app, error: app.katex.close())
    return {"parallel_read_safe": True, "parallel_write_safe": False}
