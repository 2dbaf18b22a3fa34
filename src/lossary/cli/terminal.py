"""What the commands share: how they print, how they refuse, and how they find a loss by its name."""

import difflib
import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from lossary.core.extras import MissingExtra
from lossary.reports.bad_input import BadInput
from lossary.reports.options import on_command_line

FINDINGS, BAD_INPUT = 1, 2
"""Exit codes; 0 says that all is well."""

# typer has brought it along from click, without exporting it
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Refusal(Exception):
    """Bad input: one line on stderr, and exit code 2."""


class Commands(TyperGroup):
    """The commands, whose refusals are one line and never a traceback or a box."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        if not standalone_mode:
            return super().main(*args, standalone_mode=False, **extra)
        try:
            code = super().main(*args, standalone_mode=False, **extra)
        except UsageError as error:
            context = getattr(error, "ctx", None)
            _refuse(context.info_name if context and context.parent else None, error.format_message())  # type: ignore[attr-defined]
        except typer.Abort:
            sys.exit(130)
        sys.exit(code or 0)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """`help show` is `show --help`."""
        return super().parse_args(ctx, [*args[1:], "--help"] if args[:1] == ["help"] else args)

    def invoke(self, ctx: Any) -> Any:
        try:
            with on_command_line():
                return super().invoke(ctx)
        except (Refusal, BadInput, MissingExtra) as error:
            _refuse(ctx.invoked_subcommand, str(error))


def _refuse(command: str | None, message: str) -> NoReturn:
    print(f"lossary{f' {command}' if command else ''}: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(BAD_INPUT)


def console() -> Console:
    """Up to 100 columns in a terminal; elsewhere lines are as long as they are: a program or a pager may read them."""
    out = Console(highlight=False, markup=False, emoji=False)
    out.width = min(out.width, 100) if out.is_terminal else sys.maxsize
    return out


def show(*parts: RenderableType) -> None:
    out = console()
    with out.capture() as captured:
        for part in parts:
            out.print(part)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def show_json(data: Any) -> None:
    print(json.dumps(_finite(data), indent=2, allow_nan=False))


def _finite(data: Any) -> Any:
    """JSON has no infinities and no NaN: they become null."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    return [_finite(item) for item in data] if isinstance(data, (list, tuple)) else data


def prints(text: str) -> bool:
    """Whether the terminal has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def formula(text: Sequence[str], latex: str) -> Text:
    """A formula: as text, or in LaTeX where the terminal lacks a character of it."""
    lines = "\n".join(text)
    return Text(lines if prints(lines) else latex, no_wrap=True, overflow="ignore")


def heading(text: str) -> Text:
    return Text(text, style="bold")


def indented(part: RenderableType, columns: int = 2) -> Padding:
    return Padding(part, (0, 0, 0, columns), expand=False)


def bullets(lines: Iterable[str]) -> Table:
    grid = Table.grid(padding=(0, 1))
    for line in lines:
        grid.add_row("-", Text(line))
    return grid


def table(titles: Sequence[str], rows: Iterable[Sequence[str | Text]], right: Sequence[str] = ()) -> Table:
    """A table without lines; the columns named in `right` are aligned to the right. Only the last column wraps."""
    result = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in titles:
        result.add_column(title, justify="right" if title in right else "left", no_wrap=title != titles[-1])
    for row in rows:
        result.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return result


def did_you_mean(given: str, known: Iterable[str], alike: float = 0.6) -> str:
    """The likeliest of the known names: those that hold `given`, that it abbreviates, or that are spelt like it.

    alike: how much of the spelling, from 0 to 1.
    """
    plain = {name: name.replace("_", "").lower() for name in known}
    wanted = given.replace("_", "").replace("-", "").lower()
    initials = {name: "".join(word[0] for word in name.split("_") if word) for name in plain}
    likely = [name for name in plain if wanted and (wanted in plain[name] or wanted == initials[name])]
    if not likely:
        spelt = difflib.get_close_matches(wanted, plain.values(), n=3, cutoff=alike)
        likely = [name for name in plain if plain[name] in spelt]
    return f" Did you mean {' or '.join(likely[:3])}?" if likely else ""
