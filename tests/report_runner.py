"""Runs `lossary report` once for each line on stdin, with limits, and answers its exit code, stdout and stderr.

    python report_runner.py MEMORY SECONDS

A line is a JSON list of a folder and of arguments. All of them together may take MEMORY bytes beyond what importing
takes; one that takes longer than SECONDS ends the process.
"""

import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path

import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet  # noqa: F401
import torch  # noqa: F401
from typer.testing import CliRunner

from lossary.cli.app import app


def answer(folder: str, arguments: list[str]) -> tuple[int, str, str]:
    os.chdir(folder)
    result = CliRunner().invoke(app, ["report", *arguments])
    raised = result.exception if not isinstance(result.exception, SystemExit) else None
    return (
        result.exit_code,
        result.stdout,
        result.stderr + "".join(traceback.format_exception(raised) if raised else ()),
    )


if __name__ == "__main__":
    memory, seconds = (int(word) for word in sys.argv[1:])
    CliRunner().invoke(app, ["report", "--no-html"])  # imports the rest
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory,) * 2)
    for line in sys.stdin:
        signal.alarm(seconds)
        print(json.dumps(answer(*json.loads(line))), flush=True)
        signal.alarm(0)
