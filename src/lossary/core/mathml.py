"""Formulas for pages."""

import re

from lossary.core.extras import MissingExtra


def mathml(latex: str, display: str = "block") -> str:
    """A formula as MathML, which browsers draw by themselves: a line for each part between \\qquad."""
    try:
        from latex2mathml.converter import convert
    except ImportError:
        raise MissingExtra("latex2mathml", "cli", "a formula as a page shows it") from None
    words = re.sub(r"\\mathrm\{([A-Za-z0-9]{2,})\}", r"\\operatorname{\1}", latex).replace(r"\!", "")
    found = "".join(convert(part.strip(" ,;"), display=display) for part in words.split(r"\qquad"))
    for made, wanted in CHANGES.items():
        found = found.replace(made, wanted)
    return re.sub(r"&#x([0-9A-F]{5});", _character, found)


CHANGES = {
    ' xmlns="http://www.w3.org/1998/Math/MathML"': "",
    r"\_": "_",
    ' columnalign="left"': "",
    # Fonts without a table of mathematics do not stretch a brace: the page's style draws one.
    '<mo stretchy="true" fence="true" form="prefix">{</mo><mtable>': '<mtable class="cases">',
}
"""Of what the converter makes, what is better otherwise."""


def _character(entity: re.Match[str]) -> str:
    """A character as itself, unless markup has another use for it."""
    character = chr(int(entity[1], 16))
    return {"&": "&amp;", "<": "&lt;", ">": "&gt;"}.get(character, character)
