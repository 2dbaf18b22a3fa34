"""The report as one HTML page: no scripts, no other files, no network."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

from lossary.core.extras import MissingExtra
from lossary.reports.figures import svg
from lossary.reports.options import spelled
from lossary.reports.palette import DARK, LIGHT
from lossary.reports.result import Result
from lossary.translations import Language, say

TAGS: dict[Language, str] = {"en": "en", "zh": "zh-Hans"}


def render(report: Any) -> str:
    """report: a `Report`, which the template reads."""
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup, escape
    except ImportError:
        raise MissingExtra("jinja2", "cli", "the page") from None
    from lossary.version import __version__

    def code(text: str) -> Markup:
        """Escaped text in which `words` between backticks are code."""
        return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))

    def drawn(result: Result) -> list[dict[str, Any]]:
        return [
            {"title": figure.title, "svg": Markup(svg(figure, f"{result.id}-{i}"))}
            for i, figure in enumerate(result.figures)
        ]

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(code=code, drawn=drawn, spelled=spelled)
    environment.globals.update(say=say, light=LIGHT, dark=DARK, version=__version__)
    template = files("lossary.reports").joinpath("page.html.j2").read_text("utf-8")
    return environment.from_string(template).render(report=report, lang=TAGS[report.language]) + "\n"
