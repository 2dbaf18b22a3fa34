"""What is built here and, if nothing is, why not and how to get it. CMakeLists.txt writes what is read here."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Build:
    """How the kernels were built."""

    compiler: str
    flags: str
    torch: str
    instruction_sets: list[str]


def library() -> Path | None:
    """The shared object that `torch.ops.load_library` takes, or None where none was built."""
    path = Path(__file__).with_name("liblossary.so")
    return path if path.is_file() else None


def build() -> Build | None:
    """How it was built, or None where none was."""
    path = Path(__file__).with_name("build.json")
    return Build(**json.loads(path.read_text("utf-8"))) if path.is_file() else None


def missing() -> str | None:
    """Why there is no library and how to get it, or None where there is one."""
    if library() is not None:
        return None
    return (
        "Lossary was installed without its kernels. They take GCC or Clang with C++20, and torch 2.11 or newer in "
        "the same environment. To build them, or to see what stops it: pip install --force-reinstall --no-deps "
        "--no-cache-dir --no-binary lossary --config-settings wheel.cmake=true lossary (in a checkout, . for lossary)"
    )
