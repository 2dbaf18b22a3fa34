"""Sphinx's settings for both languages; `handbook/build.py` says which."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from handbook import words

chinese = tags.has("zh")  # noqa: F821 - Sphinx's
say = words.speaker("zh" if chinese else "en")

project = "Lossary"
author = "The Lossary authors"
language = say("en", "zh_CN")
html_title = say("Lossary", "Lossary")

extensions = ["myst_parser", "sphinx_copybutton", "handbook.mathematics", "handbook.search", "handbook.extension"]
myst_enable_extensions = ["amsmath", "attrs_block", "attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
nitpicky = True
suppress_warnings = ["myst.header"]  # the pages of docs/decisions have headings of their own

html_theme = "furo"
html_math_renderer = "katex"
html_search_language = say("en", "zh")
html_show_search_summary = False  # it would be fetched, which a browser refuses to a page that lies on a disk
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_use_index = False
html_static_path = ["theme/static"]
html_css_files = ["handbook.css"]
templates_path = ["theme"]
html_theme_options = {"source_edit_link": "language", "top_of_page_buttons": ["edit"]}
html_baseurl = ""
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_only_copy_prompt_lines = True
locale_dirs = [str(Path(__file__).parent / "locale")]
