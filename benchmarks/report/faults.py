"""How often the report accuses correct files, and how often it names a planted fault first.

python -m benchmarks.report.faults --out benchmarks/results/report_faults.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.report.files import FAULTS, Arrays, correct_files
from lossary.reports import Report, report
from lossary.version import __version__


def reported(folder: Path, arrays: Arrays) -> Report:
    path = folder / "predictions.npz"
    np.savez(path, **arrays)  # pyright: ignore[reportArgumentType]
    return report(path, progress=False)


def warnings_of(result: Report) -> list[str]:
    return [finding.text for _, finding in result.findings if finding.severity in ("error", "warning")]


def first_cause(result: Report) -> str:
    """The name of the first cause in the verdict; empty where there is none."""
    return next((finding.cause for _, finding in result.verdict if finding.cause), "")


def accused(folder: Path, files: int) -> list[dict[str, object]]:
    found = []
    for kind, seed in correct_files(files):
        said = warnings_of(reported(folder, kind.make(seed)))
        if said:
            found.append({"file": kind.name, "seed": seed, "warnings": said})
            print(kind.name, seed, said, file=sys.stderr, flush=True)
    return found


def named(folder: Path, name: str, seeds: int, rows: int) -> dict[str, object]:
    cause, plant = FAULTS[name]
    answers = [first_cause(reported(folder, plant(np.random.default_rng([seed, 19]), rows))) for seed in range(seeds)]
    others = sorted({answer or "nothing" for answer in answers if answer != cause})
    return {"cause": cause, "right": answers.count(cause), "of": seeds, "others": others}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--only", help="one fault")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    started = time.process_time()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        faults = {}
        for name in [options.only] if options.only else FAULTS:
            faults[name] = named(folder, name, options.seeds, options.rows)
            print(f"{name}: {faults[name]}", file=sys.stderr, flush=True)
        false_alarms = [] if options.only else accused(folder, options.files)
    right, total = (sum(int(str(found[key])) for found in faults.values()) for key in ("right", "of"))
    result = {
        "lossary_version": __version__,
        "correct_files": {"files": options.files, "accused": len(false_alarms), "which": false_alarms},
        "faults": {"rows": options.rows, "right": right, "of": total, "each": faults},
    }
    print(f"{len(false_alarms)} of {options.files} correct files accused; {right} of {total} faults named first")
    print(f"{time.process_time() - started:.0f} s of CPU", file=sys.stderr)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return int(len(false_alarms) > options.files / 100 or right < 0.95 * total)


if __name__ == "__main__":
    raise SystemExit(main())
