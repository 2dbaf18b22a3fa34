"""The command line, `lossary`. It reads the catalogue and calls the library; nothing else in Lossary imports it."""

import io
import sys
from importlib.util import find_spec


def main() -> None:
    missing = [package for package in ("typer", "rich") if find_spec(package) is None]
    if missing:
        sys.exit(_without(missing, sys.argv[1:]))
    for stream in (sys.stdout, sys.stderr):
        # Formulas are Unicode: where a terminal cannot show a character, "?" is better than a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    from lossary.cli.app import app

    app()


def _without(missing: list[str], arguments: list[str]) -> int:
    """What a bug report needs is said without the packages of the command line too."""
    if arguments == ["--version"]:
        from lossary.version import __version__

        print(f"lossary {__version__}")
        return 0
    if arguments == ["doctor"]:
        from lossary.cli.health import findings

        found = findings()
        for finding in found:
            print(f"{finding.name}: {finding.state}: {finding.text}")
        return int(any(finding.state == "broken" for finding in found))
    needed = f"the command line needs {' and '.join(missing)}: pip install 'lossary[cli]'"
    print(f"lossary: {needed}. lossary --version and lossary doctor do without", file=sys.stderr)
    return 2
