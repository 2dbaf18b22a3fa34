"""What must be known before anything is collected."""

import os
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

collect_ignore_glob = ["typed/*"]  # for the type checker alone

# Before torch is loaded: pytest-xdist has a process for each core, and threads that spin while they wait take the
# cores of others.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

settings.register_profile("fuzz", max_examples=10_000, deadline=None, print_blob=True)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--triton", action="store_true", help="have kernels in Triton, under its interpreter, serve the CPU"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--triton"):
        os.environ["TRITON_INTERPRET"] = "1"  # read when kernels are decorated
        config.addinivalue_line("filterwarnings", "ignore:All-NaN slice")


@pytest.fixture
def on_the_command_line() -> Iterator[None]:
    """Texts of the report name options as the command line does."""
    from lossary.reports.options import on_command_line

    with on_command_line():
        yield


@pytest.fixture(scope="session", autouse=True)
def kernels_in_triton(request: pytest.FixtureRequest) -> Any:
    if not request.config.getoption("--triton"):
        return None
    import numpy as np

    from lossary.kernels import operators
    from lossary.kernels.triton import launch

    # The interpreter computes with NumPy, which warns of what GPUs do in silence.
    launch.start = np.errstate(all="ignore")(launch.start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says that kernels are overridden
        return operators.implement("CPU", allow_override=True)
