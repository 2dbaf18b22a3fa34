"""The submodules of `lossary.nn`: torch's own module objects, however they are imported."""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

NN = "lossary.nn."


class Alias(Loader):
    """Loads a module by answering with another, which is imported under its own name."""

    def __init__(self, target: str) -> None:
        self.target = target

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.target)
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # Python has just given it the spec of the alias. Were it put among the modules from here instead, a thread that
        # imports the same name could have been given a placeholder.
        module.__spec__ = self.own_spec


class Submodules(MetaPathFinder):
    """Finds `lossary.nn.functional`, which is Lossary's, and as all else what torch.nn has under the name."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(NN):
            return None
        name = fullname.removeprefix(NN)
        found = "lossary.functional" if name == "functional" else f"torch.nn.{name}"
        return ModuleSpec(fullname, Alias(found)) if importlib.util.find_spec(found) else None


FINDER = Submodules()


def find_submodules() -> None:
    """Let Python find them from now on."""
    if FINDER not in sys.meta_path:
        # First: torch's packages have paths, in which Python would find their files, and make copies of them.
        sys.meta_path.insert(0, FINDER)
