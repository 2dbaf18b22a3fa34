"""Lossary with the versions of torch, Python and packages that its users have: `make test-versions`.

What an environment gave stands in benchmarks/results/versions.json, which docs/versions.md is written from.
"""

import json
import shutil
from datetime import date
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "no"
nox.options.error_on_missing_interpreters = True

ROOT = Path(__file__).parent
RESULTS = ROOT / "benchmarks" / "results" / "versions.json"
KERNELS = ROOT / "src" / "lossary" / "kernels"


class Environment(NamedTuple):
    """tests: the part of the suite that runs. oldest: of every requirement the oldest that Lossary allows."""

    python: str
    requirements: tuple[str, ...]
    tests: tuple[str, ...]
    oldest: bool = False


LOSSES = (
    "test_catalogue.py",
    "test_conformance.py",
    "test_ctc_losses.py",
    "test_by_rows.py",
    "test_information.py",
)
OF_TORCH = (
    "test_build.py",
    "test_concurrency.py",
    "test_drop_in.py",
    "test_dtensors.py",
    "test_first_use.py",
    "test_inductor.py",
    "test_kernels.py",
    "test_loss_modules.py",
    "test_modules.py",
    "test_names.py",
    "test_nn.py",
    "test_opinfo.py",
    "test_patch.py",
    "test_remembered.py",
)
TOOLS = ("test_cli.py", "test_misuse_cli.py", "test_report.py", "test_report_input.py")

ENVIRONMENTS = {
    "oldest": Environment("3.11", ("torch",), LOSSES + OF_TORCH + TOOLS, oldest=True),
    "torch 2.13": Environment("3.11", ("torch==2.13.*",), LOSSES + OF_TORCH),
    "torch 2.14": Environment("3.11", ("torch==2.14.*",), LOSSES + OF_TORCH),
    "newest": Environment("3.13", ("torch",), LOSSES + OF_TORCH + TOOLS),
}

ABOUT = """
import json, platform
from importlib.metadata import version
import torch
from lossary.kernels import operators
packages = "torch jax numpy scipy matplotlib typer rich jinja2 pyarrow array-api-compat".split()
print(json.dumps({
    "python": platform.python_version(),
    "packages": {name: version(name) for name in packages},
    "kernels": operators.missing or "yes",
    "calls in C++": operators.native_missing or "yes",
}))
"""


def kernels(session: nox.Session) -> None:
    """Those that are built here, copied, and the calls in C++ built for this torch and Python."""
    where = session.run("python", "-c", "import lossary, torch; print(*lossary.__path__, *torch.__path__)", silent=True)
    lossary, torch = map(Path, str(where).split())
    for name in ("liblossary.so", "build.json"):
        shutil.copy(KERNELS / name, lossary / "kernels")
    build = Path(session.create_tmp()) / "autograd"
    shutil.rmtree(build, ignore_errors=True)
    release = session.run("python", "-c", "import torch; print(torch.__version__)", silent=True)
    given = {"Python_EXECUTABLE": session.bin + "/python", "torch": torch, "torch_version": str(release).strip()}
    options = [f"-D{name}={value}" for name, value in (given | {"CMAKE_BUILD_TYPE": "Release"}).items()]
    session.run("cmake", "-S", "cmake/autograd", "-B", str(build), *options, silent=True)
    session.run("cmake", "--build", str(build), silent=True)
    for module in build.glob("built/*"):
        shutil.copy(module, lossary / "kernels")


@nox.session
@nox.parametrize(("python", "name"), [(e.python, name) for name, e in ENVIRONMENTS.items()], ids=ENVIRONMENTS)
def versions(session: nox.Session, name: str) -> None:
    """Part of the tests with other versions of everything; what stands after -- goes to pytest."""
    environment = ENVIRONMENTS[name]
    # Of the resolution's own choice are what the requirements name; what those bring along is new in either case.
    resolution = ("--resolution", "lowest-direct") if environment.oldest else ()
    build = ("--config-settings", "wheel.cmake=false", "--prerelease", "disallow")
    session.install("cmake", "ninja")
    session.install(*resolution, *build, ".[test,torch]", *environment.requirements)
    kernels(session)
    folder = Path(session.create_tmp())
    tests = [f"tests/{name}" for name in environment.tests]
    session.run(
        "pytest",
        *("-n", "auto", "-p", "no:cacheprovider", f"--junitxml={folder}/tests.xml"),
        # What was measured and written with other versions, and the tools that write it, are not here.
        "--deselect=tests/test_catalogue.py::test_the_generated_pages_are_up_to_date",
        *(session.posargs or tests),
        success_codes=[0, 1],
    )
    if not session.posargs:
        record(name, json.loads(str(session.run("python", "-c", ABOUT, silent=True))), folder / "tests.xml")


def record(name: str, about: dict[str, object], xml: Path) -> None:
    (suite,) = ElementTree.parse(xml).getroot()
    counted = {what: int(suite.attrib[what]) for what in ("tests", "failures", "errors", "skipped")}
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    known[name] = {"date": date.today().isoformat(), **about, **counted}
    ordered = {name: known[name] for name in ENVIRONMENTS if name in known}
    RESULTS.write_text(json.dumps(ordered, indent=1) + "\n", "utf-8")
    if counted["failures"] or counted["errors"]:
        raise SystemExit(f"{name}: {counted['failures']} tests failed, {counted['errors']} did not start")
