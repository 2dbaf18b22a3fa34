"""Runs `lossary report` once for each line on stdin, each in a child with limits; answers code, stdout and stderr.

    python report_runner.py MEMORY SECONDS

A line is a JSON list of a folder and of arguments. The child may take MEMORY bytes beyond what importing takes, and
SECONDS of CPU time.
"""

import json
import os
import resource
import signal
import sys
import tempfile
from pathlib import Path

import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet  # noqa: F401
import torch  # noqa: F401
from typer.testing import CliRunner

from lossary.cli.app import app


def limited(folder: str, arguments: list[str], memory: int, seconds: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + memory,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    signal.alarm(2 * seconds)  # of one that waits
    os.chdir(folder)
    app(["report", *arguments])


def answer(folder: str, arguments: list[str], memory: int, seconds: int) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        if not (child := os.fork()):
            os.dup2(out.fileno(), 1)
            os.dup2(error.fileno(), 2)
            os.close(0)
            limited(folder, arguments, memory, seconds)
        _, status = os.waitpid(child, 0)
        for stream in (out, error):
            stream.seek(0)
        return os.waitstatus_to_exitcode(status), *(stream.read().decode(errors="replace") for stream in (out, error))


if __name__ == "__main__":
    limits = [int(word) for word in sys.argv[1:]]
    CliRunner().invoke(app, ["report", "absent.npz"])  # imports the rest
    for line in sys.stdin:
        print(json.dumps(answer(*json.loads(line), *limits)), flush=True)
