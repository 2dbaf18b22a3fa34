"""Writes the pages that say what the code says: differs_from_torch.md from the docstrings, misuse.md from the rules of
`lossary.check`, report_files.md from the test of its table, report_measured.md, accuracy.md, benchmarks.md and
versions.md as measured, the list of losses in both READMEs, the stub of lossary.nn, the catalogues of translations,
where new texts wait for theirs.

Run: make docs
"""

import json
import math
import re
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # where the benchmarks are
import lossary
from benchmarks.page import benchmarks, table
from benchmarks.picture import picture
from docs.stub import stub
from lossary.cli.page import Difference, page
from lossary.misuse import RULES
from lossary.reports.formats.rows import MOST_COLUMNS
from lossary.reports.formats.stored import BOMB_RATIO, BOMB_SIZE, MOST_ARRAYS
from lossary.reports.frame import MOST_SCORES
from lossary.translations import Language
from lossary.translations.texts import by_catalogue, written
from tests.test_report_files import FORMS

HERE = Path(__file__).parent
DTYPES = ("float64", "float32", "float16", "bfloat16")
QUANTITIES = ("unreduced", "mean", "gradient")
RESULTS = HERE.parent / "benchmarks" / "results"
LISTED = re.compile(r"(?<=<!-- losses -->\n).*?(?=<!-- /losses -->)", re.DOTALL)


def link(thread: str) -> str:
    repository, _, number = thread.partition("#")
    return f"[{thread}](https://github.com/{repository or 'pytorch/pytorch'}/issues/{number})"


def differs_from_torch() -> str:
    def rows(of_torch: bool) -> Iterator[list[str]]:
        for loss in lossary.catalogue():
            for d in page(loss).differences:
                if (d.library == "torch") == of_torch:
                    yield [f"`{loss.name}`", d.what, said(d), d.answer, ", ".join(map(link, d.threads))]

    def said(d: Difference) -> str:
        return d.other if d.library == "torch" else f"{d.library}: {d.other}"

    return f"""# Differs from torch
<!-- `make docs` writes this page from the docstrings of the losses; edit those. -->
Where torch has a loss, Lossary answers what torch answers, but for these cases and for
[those of every loss](conventions.md#differs-from-torch). Threads are pytorch/pytorch unless named.

{table(("loss", "what", "torch", "Lossary", "threads"), rows(of_torch=True))}

## Losses that torch lacks
{table(("loss", "what", "elsewhere", "Lossary", "threads"), rows(of_torch=False))}
"""


def misuse() -> str:
    rows = [[f"`{rule.code}`", rule.severity, rule.title, rule.why, rule.fix] for rule in RULES]
    return f"""# What `lossary.check` looks for
<!-- `make docs` writes this page from the rules in src/lossary/misuse/rules; edit those. -->
`lossary.check(loss, *args)` and `lossary check FILE --loss NAME` say it with the numbers and the places of the call. An
error: the number means nothing until it is fixed; a warning: probably a mistake; a note: worth knowing. A code stays.

{table(("code", "severity", "mistake", "why it hurts", "fix"), rows)}
"""


def stated(error: float) -> float:
    """A measured error as a bound: what exceeds one rounding twice over, since other machines have other libm."""
    return math.ceil(10 * (0.5 + 2 * max(error - 0.5, 0.05)) - 1e-9) / 10


def accuracy(measured: dict[str, Any]) -> str:
    def rows(of_one_sign: bool) -> Iterator[list[str]]:
        for loss, found in measured["results"].items():
            if found["of one sign"] == of_one_sign:
                for implementation, errors in found["errors"].items():
                    yield [f"`{loss}`", implementation, *(cell(errors.get(dtype, {})) for dtype in DTYPES)]

    def cell(errors: dict[str, float]) -> str:
        return " / ".join(f"{stated(errors[what]):g}" for what in QUANTITIES if what in errors)

    titles, versions = ("loss", "implementation", *DTYPES), measured["versions"]
    libraries = ", ".join(f"{name} {versions[name]}" for name in ("numpy", "torch", "jax", "mpmath"))
    return f"""# Accuracy
<!-- `make docs` writes this page from benchmarks/results/accuracy.json. -->
The largest error in units in the last place (ulp) of the dtype of the answer, against mpmath:
unreduced losses / their mean / the gradient. The arguments are {measured["seeds"]} ordinary and as many extreme calls
(0, infinities, numbers of 1e-45 to 1e18), as they are when rounded to the dtype; on JAX fewer. A correctly
rounded answer is off by at most 0.5.

Each figure is a bound: the measured error, with twice its excess over 0.5, rounded up. A test measures again.

- The gradient is counted in ulp of its largest component, where it has at least 8, over ordinary arguments. In float64
  it is held against differences of mpmath's values, elsewhere against the formula in float64.
- Errors below the smallest normal number count for nothing: XLA on the CPU flushes such numbers to 0.
- float16 and bfloat16 are computed in float32, and rounded once.

## Losses of terms of one sign
In ulp of the answer.

{table(titles, rows(of_one_sign=True))}

## Losses whose terms cancel
In ulp of the largest of the answer, the inputs of its row, 1, and the conditioning Σ |x · ∂ℓ/∂x| over the inputs x:
inputs that are right to an ulp leave as much.

{table(titles, rows(of_one_sign=False))}

Measured with Python {versions["python"]}, {libraries}
on {measured["machine"]["processor"]}: `python benchmarks/accuracy.py benchmarks/results/accuracy.json`.
"""


def versions(tested: dict[str, Any], installed: dict[str, Any]) -> str:
    def environments() -> Iterator[list[str]]:
        for name, found in tested.items():
            packages = ", ".join(f"{package} {version}" for package, version in found["packages"].items())
            failed = found["failures"] + found["errors"]
            counts = f"{found['tests'] - failed - found['skipped']} passed, {failed} failed, {found['skipped']} skipped"
            yield [name, found["python"], packages, found["kernels"], found["calls in C++"], counts, found["date"]]

    titles = ("python", "torch", "kernels", "calls in C++", "first call", "doctor")
    return f"""# Versions
<!-- `make test-versions` and `make wheel` write this page from what they find; its text is in docs/generate.py. -->
Lossary is built against the stable interface of torch 2.11: one library of kernels serves torch 2.11 and newer, every
build of it (`+cpu`, `+cu132`) and every Python. The code that repeats remembered calls in C++ uses interfaces that
torch may change: it is built for each release of torch and each Python, and where there is none Python does the same,
which losses of few elements notice (`lossary doctor` says which it is).

## Tested
Part of the suite: all checks of every loss on torch, and what is said of torch; for the oldest and the newest of
everything NumPy, the array API and JAX too, and the command line. Warnings are errors. "oldest" is the oldest version
of each requirement that pyproject.toml allows.

{table(("environment", "Python", "packages", "kernels", "calls in C++", "tests", "on"), environments())}

Not tested: torch 2.12, Python 3.14, GPUs, Windows, macOS. On Windows there are no kernels, and losses run as array
operations.

## What torch 2.11 lacks
`torch.nn.LinearCrossEntropyLoss` is of 2.13; `lossary.nn` has it on all. Inside `patch_torch`, code compiled by 2.11
may keep torch's own loss where a function was stored as a default argument. DTensors are refused by `cox_loss`: its
ranks have no rule for comparing two tensors.

## Installed
What each way to install gives in a clean environment, by the files of `make wheel`:

{table(("installed", *titles), ([name, *(found[t] for t in titles)] for name, found in installed.items()))}

The wheel with kernels needs no compiler, and torch may come before it or after. An install from the source builds the
kernels where GCC or Clang and torch are there already, and goes on without them where they are not; to build them
later, with torch 2.11 or newer in the environment:

```
pip install --force-reinstall --no-deps --no-cache-dir --no-binary lossary --config-settings wheel.cmake=true lossary
```

uv hides the environment from a build: `uv pip install --no-build-isolation`, with scikit-build-core,
hatch-fancy-pypi-readme, cmake and ninja installed before. The wheels that are made here are manylinux_2_34, as the
machine's C library is; `.github/workflows/wheels.yml` makes them for manylinux_2_28, macOS and ARM, and has not run
yet.
"""


def report_files() -> str:
    def rows() -> Iterator[list[str]]:
        for form in FORMS:
            yield [form.by, form.what, "read" if form.gives else "refused", f"“{form.says}”" if form.says else ""]

    return f"""# Files that `lossary report` reads
<!-- `make docs` writes this page from the table in tests/test_report_files.py, which is a test; edit that. -->
Arrays: `.npz`, `.npy`, `.safetensors`, `.pt` (with torch, by `weights_only`). Tables, through pyarrow
(`lossary[files]`): `.csv`, `.tsv`, `.txt`, `.parquet`, `.feather`, `.arrow`, `.json`, `.jsonl`, and `.xlsx`
(`lossary[excel]`); text may be compressed (`.gz`, `.zst`, `.bz2`). `lossary check` reads the same.

What was understood is printed first, each guess with the option that overrides it. Nothing is ever unpickled. What is
refused is refused in one line that says what mends it. Limits: {MOST_ARRAYS:,} arrays in a file, {MOST_COLUMNS:,}
columns of a table, {MOST_SCORES:,} scores of one sample; files that unpack to over {BOMB_SIZE >> 20} MB and
{BOMB_RATIO} times their size are refused.

{table(("written by", "form", "", "the report says"), rows())}
"""


def report_measured(faults: dict[str, Any], labels: dict[str, Any]) -> str:
    def planted() -> Iterator[list[str]]:
        for name, found in faults["faults"]["each"].items():
            said = f"{found['right']} of {found['of']}"
            yield [name.replace("_", " "), f"`{found['cause']}`", said, ", ".join(found["others"])]

    def listed() -> Iterator[list[str]]:
        for name, found in labels["means"].items():
            both = [f"{found[key]:.2f} / {found[f'cleanlab {key}']:.2f}" for key in ("precision", "recall", same)]
            yield [
                name,
                *both,
                f"{found['stated precision']:.2f}",
                f"{found['files with a list']} of {labels['seeds']}",
            ]

    same = "precision at the same recall"
    correct, versions = faults["correct_files"], labels["versions"]
    return f"""# How far the report is right
<!-- `make docs` writes this page from benchmarks/results/report_*.json; its text is in docs/generate.py. -->
## Correct files are not accused
Of {correct["files"]} files of calibrated predictions (2 to 1,000 classes, 200 to 20,000 samples, weak and strong
models, segmentation, regression, rounded probabilities) {correct["accused"]} got a warning. They are drawn, with seeds,
by `benchmarks/report/files.py`; nobody's data are among them.

## Planted faults
A fault is put into {faults["faults"]["rows"]:,} samples, with 20 seeds; right is that the first cause that the verdict
names is it: {faults["faults"]["right"]:,} of {faults["faults"]["of"]:,}. Who wrote the faults wrote the report, so that
this says less than files that nobody has tuned it on.

{table(("fault", "cause", "named first", "otherwise"), planted())}

`python -m benchmarks.report.faults` measures it again.

## Wrong labels
{labels["wrong labels"]:.0%} of the labels of real data sets are replaced by another class; probabilities are those of
five-fold cross-validation. Lossary {versions["lossary"]} / cleanlab {versions["cleanlab"]} (`find_label_issues`), means
over {labels["seeds"]} seeds. Where evidence is slight Lossary lists nothing, which counts as no recall: wine has 178
samples, of which 9 are replaced. The same recall is that of the shorter list, within the beginning of the longer.

{table(("data, model", "precision", "recall", same, "precision that Lossary states", "lists"), listed())}

`python -m benchmarks.report.label_errors` measures it again.
"""


def readme(path: Path) -> str:
    """The page as it stands, with the losses of today between its markers: a family on each line."""
    families = groupby(lossary.catalogue(), key=lambda loss: loss.family)
    lines = [" ".join(f"`{loss.name}`" for loss in losses) for _, losses in families]
    text, found = LISTED.subn(" ·\n".join(lines) + "\n", path.read_text(encoding="utf-8"))
    if found != 1:
        raise ValueError(f"{path.name}: it must have <!-- losses --> and <!-- /losses --> once, on lines of their own")
    return text


def measured(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def translations(language: Language) -> dict[Path, str]:
    folder = HERE.parent / "src" / "lossary" / "translations" / language
    return {folder / f"{name}.po": written(texts, language) for name, texts in by_catalogue().items()}


def pages() -> dict[Path, str]:
    return {
        HERE / "differs_from_torch.md": differs_from_torch(),
        HERE / "misuse.md": misuse(),
        HERE / "report_files.md": report_files(),
        HERE / "report_measured.md": report_measured(measured("report_faults"), measured("report_label_errors")),
        HERE / "accuracy.md": accuracy(measured("accuracy")),
        HERE / "benchmarks.md": benchmarks(measured("benchmarks")),
        HERE / "versions.md": versions(measured("versions"), measured("installs")),
        HERE.parent / "src" / "lossary" / "nn.pyi": stub(),
        **translations("zh"),
        **{path: readme(path) for path in (HERE.parent / name for name in ("README.md", "README.zh-CN.md"))},
    }


def pictures() -> dict[Path, str]:
    return {HERE / "images" / "benchmarks.svg": picture(measured("benchmarks"))}


def main() -> None:
    for path, text in {**pages(), **pictures()}.items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(HERE.parent)}")


if __name__ == "__main__":
    main()
