"""The table as a chart to open question by question: nested <details>, which need no script and take the keyboard."""

import re
from html import escape

from lossary.core.record import CATALOGUE
from lossary.translations import Language, translate
from lossary.which.answers import AND, Answer, answer, sections
from lossary.which.tasks import TASKS

WORDS = {"what": "What is predicted?", "otherwise": "none of these", "command": "On the command line"}
NAME = r"\1"
CODES = {"en": "en", "zh": "zh-CN"}


def chart(language: Language = "en", losses: str = "losses/") -> str:
    """An HTML fragment, without styles. losses: where the pages of the losses lie, from the page that holds it."""
    parts = [f'<div class="which" lang="{CODES[language]}">', f"<p>{escape(translate(WORDS['what'], language))}</p>"]
    for task in TASKS.values():
        parts.append(f'<details id="which-{task.name}"><summary>{escape(translate(task.says, language))}</summary>')
        parts += (_leaf(answer(task.name, rule.when, language), language, losses) for rule in task.rules)
        parts.append("</details>")
    return "\n".join([*parts, "</div>"])


def _leaf(leaf: Answer, language: Language, losses: str) -> str:
    def linked(text: str, name: str) -> str:
        link = rf'<a href="{escape(losses)}\1.html">{name}</a>'
        return re.sub(rf"\b({'|'.join(CATALOGUE)})\b", link, escape(text))

    def html(text: str) -> str:
        """What holds a reason stands behind it in brackets, and is code."""
        said, _, held = text.removesuffix("]").partition(" [") if text.endswith("]") else (text, "", "")
        proof = f" [<code>{linked(held, NAME)}</code>]" if held else ""
        return linked(said, f"<code>{NAME}</code>") + proof

    asked = translate(AND, language).join(leaf.circumstances.values()) or translate(WORDS["otherwise"], language)
    parts = [f"<details><summary>{escape(asked)}: <code>{leaf.loss}</code></summary>"]
    parts.append(f"<p>{html(f'{leaf.loss}: {leaf.title}')}</p><p>{html(leaf.says)}</p>")
    for heading, points in sections(leaf, language):
        parts.append(f"<p>{escape(heading)}</p><ul>{''.join(f'<li>{html(point)}</li>' for point in points)}</ul>")
    command = f"<code>{escape(leaf.command)}</code>"
    return "\n".join([*parts, f"<p>{escape(translate(WORDS['command'], language))}: {command}</p></details>"])
