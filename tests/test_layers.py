"""Imports run one way, from each layer to those below it, and in no circle. Those inside functions and under
TYPE_CHECKING count: they say what a module needs to be understood."""

import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import grimp
import pytest

TOP = """
__main__ alignment cli contract explorer functional identities information log_probs misuse modules nn ops patch plots
recorder reports testing translations version weights which
"""
LAYERS = (["core"], ["kernels"], ["dispatch"], ["losses"], ["", *TOP.split()])
"""What stands in the package, which is "" itself, from the lowest layer to the top."""
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
CHAIN = " < ".join([*(names[0] for names in LAYERS[:-1]), "everything else"])


def part(module: str) -> str:
    """What of the package a module belongs to: "core" for lossary.core.arrays."""
    return module.partition(".")[2].partition(".")[0]


class Imports:
    """The imports of a package that can be found, each a pair of modules: importer, imported."""

    def __init__(self, package: str) -> None:
        self.graph = grimp.build_graph(package, cache_dir=None)
        (folder,) = find_spec(package).submodule_search_locations
        self.root = Path(folder)
        self.arrows = [
            (module, imported)
            for module in sorted(self.graph.modules)
            for imported in sorted(self.graph.find_modules_directly_imported_by(module))
        ]

    def place(self, importer: str, imported: str) -> str:
        path = self.root.joinpath(*importer.split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        found = self.graph.get_import_details(importer=importer, imported=imported)
        lines = sorted({detail["line_number"] for detail in found})
        return f"{path.relative_to(self.root.parent)}:{','.join(map(str, lines))}"

    def without_layer(self) -> list[str]:
        return sorted(module for module in self.graph.modules if part(module) not in LAYER_OF)

    def upward(self) -> Iterator[str]:
        for importer, imported in self.arrows:
            ends = [LAYER_OF.get(part(module)) for module in (importer, imported)]
            if None not in ends and ends[0] < ends[1]:
                yield f"{importer} imports {imported}, at {self.place(importer, imported)}"

    def circles(self) -> list[str]:
        """The shortest circle through each arrow that is part of one."""
        found = {}
        for importer, imported in self.arrows:
            back = self.graph.find_shortest_chain(importer=imported, imported=importer)
            if back is not None:
                found.setdefault(frozenset(back), " -> ".join((importer, *back)))
        return sorted(found.values(), key=lambda circle: (circle.count("->"), circle))


@pytest.fixture(scope="module")
def ours() -> Imports:
    return Imports("lossary")


def test_every_module_has_a_layer(ours: Imports) -> None:
    found = ours.without_layer()
    assert not found, f"in no layer: {', '.join(found)}; add them to LAYERS in tests/test_layers.py"


def test_no_import_runs_upward(ours: Imports) -> None:
    found = list(ours.upward())
    assert not found, "\n".join([f"layers are {CHAIN}; move down what is needed, or hand it in:", *found])


def test_there_are_no_circles(ours: Imports) -> None:
    found = ours.circles()
    assert not found, "\n".join(["move what both ends need into a module of its own:", *found])


def planted(files: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Imports:
    for name, text in {"core/__init__.py": "", "kernels/__init__.py": "", "__init__.py": "", **files}.items():
        path = folder / "planted" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "planted", raising=False)
    return Imports("planted")


@pytest.mark.parametrize(
    "line",
    [
        "import planted.kernels.run",
        "from planted.kernels import run",
        "from planted.kernels.run import step",
        "from ..kernels import run",
        "def f():\n    from planted.kernels import run",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from planted.kernels import run",
    ],
)
def test_a_planted_upward_import_is_found(line, tmp_path, monkeypatch) -> None:
    files = {"core/low.py": line, "kernels/run.py": "from planted.core import other\nstep = 0", "core/other.py": ""}
    found = planted(files, tmp_path, monkeypatch)
    place = f"planted/core/low.py:{len(line.splitlines())}"
    assert list(found.upward()) == [f"planted.core.low imports planted.kernels.run, at {place}"]
    assert found.circles() == found.without_layer() == []


def test_a_planted_circle_is_found(tmp_path, monkeypatch) -> None:
    lazily = "def f():\n    from planted.core import a"
    files = {"core/a.py": "from planted.core import b", "core/b.py": "from . import c", "core/c.py": lazily}
    found = planted(files, tmp_path, monkeypatch)
    assert found.circles() == ["planted.core.a -> planted.core.b -> planted.core.c -> planted.core.a"]
    assert list(found.upward()) == []


def test_a_planted_circle_through_a_package_is_found(tmp_path, monkeypatch) -> None:
    files = {"__init__.py": "from planted.core import a", "core/a.py": "def f():\n    from planted import version"}
    found = planted(files, tmp_path, monkeypatch)
    assert found.circles() == ["planted -> planted.core.a -> planted"]
    assert list(found.upward()) == ["planted.core.a imports planted, at planted/core/a.py:2"]


def test_a_planted_module_without_a_layer_is_named(tmp_path, monkeypatch) -> None:
    assert planted({"attic.py": ""}, tmp_path, monkeypatch).without_layer() == ["planted.attic"]
