"""Which English text a Chinese guide was written from: its front matter holds the first digits of that text's SHA-256.

python handbook/translated.py handbook/zh/why/noise.md     # after the Chinese follows the English again
"""

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path

HANDBOOK = Path(__file__).parent
FRONT = re.compile(r"\A---\nenglish: \"(\w+)\"\n---\n+")


def english_of(page: Path) -> Path:
    return HANDBOOK / "en" / page.resolve().relative_to(HANDBOOK.resolve() / "zh")


def digest(page: Path) -> str:
    return hashlib.sha256(page.read_bytes()).hexdigest()[:12]


def translated_from(page: Path) -> str | None:
    """The digest of the English that a Chinese page was written from."""
    found = FRONT.match(page.read_text(encoding="utf-8"))
    return found and found[1]


def main(pages: Sequence[str]) -> None:
    for page in map(Path, pages):
        body = FRONT.sub("", page.read_text(encoding="utf-8"))
        page.write_text(f'---\nenglish: "{digest(english_of(page))}"\n---\n\n{body}', encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
