"""A page on which losses can be looked at: one HTML file in English and Chinese that needs nothing else.

>>> from lossary.explorer import page
>>> page().startswith("<!doctype html>")
True
"""

import json
from importlib.resources import files

from lossary.explorer.data import content
from lossary.reports.palette import DARK, LIGHT

COMPUTING = ("numbers.js", "formulas.js", "quantities.js", "dtypes.js", "comparison.js")
"""The scripts that know nothing of browsers, in the order in which they build on each other."""
SHOWING = ("ui.js", "curves.js", "expect.js", "outlier.js", "entropy.js", "floats.js", "lattice.js", "page.js")


def page() -> str:
    """The page, the same bytes each time."""
    folder = files("lossary.explorer")

    def text(name: str) -> str:
        return folder.joinpath(name).read_text("utf-8")

    def colours(palette: dict[str, str]) -> str:
        return " ".join(f"--{name}: {colour};" for name, colour in palette.items())

    data = {"catalogue": content(), "words": json.loads(text("words.json"))}
    parts = {
        "style": text("explorer.css").replace("/* light */", colours(LIGHT)).replace("/* dark */", colours(DARK)),
        "data": json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/"),
        "script": "\n".join(text(name) for name in (*COMPUTING, *SHOWING)),
    }
    page = text("explorer.html")
    for name, part in parts.items():
        page = page.replace(f"<!-- {name} -->", part)
    return page
