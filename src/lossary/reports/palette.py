"""The colours of pages and figures. Figures are drawn in the light ones; the page turns each into a CSS variable."""

from __future__ import annotations

from lossary.core.shown import SEVERITIES

LIGHT = {
    "paper": "#fcfbf8",
    "panel": "#f4f2ec",
    "ink": "#1f2023",
    "muted": "#66676e",
    "rule": "#dedbd2",
    "accent": "#2b5c9e",
    "wash": "#c6d5ea",
    "warm": "#b5541c",
    "leaf": "#3a7d5b",
    **{name: light for name, (light, _) in SEVERITIES.items()},
}
DARK = {
    "paper": "#17181b",
    "panel": "#202226",
    "ink": "#e8e6e1",
    "muted": "#a09fa6",
    "rule": "#383a40",
    "accent": "#8ab4f0",
    "wash": "#33486a",
    "warm": "#eb9b67",
    "leaf": "#83c5a0",
    **{name: dark for name, (_, dark) in SEVERITIES.items()},
}

PAPER, INK, MUTED, RULE = LIGHT["paper"], LIGHT["ink"], LIGHT["muted"], LIGHT["rule"]
ACCENT, WASH, WARM, LEAF = LIGHT["accent"], LIGHT["wash"], LIGHT["warm"], LIGHT["leaf"]
