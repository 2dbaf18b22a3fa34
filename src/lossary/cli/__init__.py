"""The command line, `lossary`. It reads the catalogue and calls the library; nothing else in Lossary imports it."""

import io
import sys
from importlib.util import find_spec


def main() -> None:
    missing = [package for package in ("typer", "rich") if find_spec(package) is None]
    if missing:
        print(f"lossary: the command line needs {' and '.join(missing)}: pip install 'lossary[cli]'", file=sys.stderr)
        raise SystemExit(2)
    for stream in (sys.stdout, sys.stderr):
        # Formulas are Unicode: where a terminal cannot show a character, "?" is better than a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    from lossary.cli.app import app

    app()
