"""`lossary doctor`."""

from dataclasses import asdict

import typer
from rich.console import Console
from rich.text import Text

from lossary.cli.health import State, findings
from lossary.cli.terminal import FINDINGS, AsJson, show, show_json, table

STYLES: dict[State, str] = {"ok": "green", "absent": "dim", "broken": "bold red"}


def doctor(as_json: AsJson = False) -> None:
    """Check the installation.

    Versions, what is missing and what that costs, kernels, threads, and every loss on every library. Exit code 1 if
    something is broken; what is merely absent is not.
    """
    with Console(stderr=True).status("checking"):  # shows itself only in a terminal
        found = findings()
    broken = any(finding.state == "broken" for finding in found)
    if as_json:
        show_json({"healthy": not broken, "findings": [asdict(finding) for finding in found]})
    else:
        rows = [(f.name, Text(f.state, style=STYLES[f.state]), f.text) for f in found]
        show(table(("what", "state", "found"), rows))
    if broken:
        raise typer.Exit(FINDINGS)
