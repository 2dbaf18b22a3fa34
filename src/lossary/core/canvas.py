"""Empty figures of matplotlib, which show themselves in a notebook whether or not pyplot was imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import StringIO
from typing import TYPE_CHECKING, Any

from lossary.core.extras import MissingExtra

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def canvas(width: float, height: float, style: dict[Any, Any]) -> "Iterator[Figure]":
    """An empty figure, drawn on in a style; MissingExtra without matplotlib."""
    try:
        import matplotlib
    except ImportError:
        raise MissingExtra("matplotlib", "cli", "drawing") from None
    with matplotlib.rc_context(style):
        yield _shown()(figsize=(width, height), layout="constrained")


@cache
def _shown() -> "type[Figure]":
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_svg_(self) -> str:
            written = StringIO()
            self.savefig(written, format="svg", metadata={"Date": None})
            return written.getvalue()

    return ShownFigure
