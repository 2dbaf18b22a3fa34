"""The curve of each loss and of its gradient: two panels of its page, and a small one in the gallery."""

from collections.abc import Callable
from dataclasses import dataclass

import matplotlib
import torch
from numpy.typing import ArrayLike

from handbook.drawing import axes, svg
from lossary import functional as F
from lossary.core.record import Loss
from lossary.plots import COLOURS, POINTS, STYLE, curves

Tensor = torch.Tensor


@dataclass(frozen=True)
class Line:
    label: str
    colour: str
    x: ArrayLike
    y: ArrayLike


@dataclass(frozen=True)
class Panel:
    """cut: the range of the axis, where the steepest parts are left out."""

    title: str
    axis: str
    lines: list[Line]
    range: tuple[float, float] | None


def _linear(x: Tensor) -> Tensor:
    weight = torch.tensor([[1.0], [0.0]], dtype=x.dtype)
    return F.linear_cross_entropy(x[:, None], weight, torch.zeros(len(x), dtype=torch.long), reduction="none")


def _spelled(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two frames of a blank and the one label, for each point."""
    frame = torch.stack([torch.zeros_like(x), x], dim=-1)
    ones = torch.ones(len(x), dtype=torch.long)
    return torch.stack([frame, frame]), ones[:, None], 2 * ones, ones


def _ctc(x: Tensor) -> Tensor:
    logits, *others = _spelled(x)
    return F.ctc_loss(logits.log_softmax(-1), *others, reduction="none")


def _ctc_with_logits(x: Tensor) -> Tensor:
    return F.ctc_loss_with_logits(*_spelled(x), reduction="none")


def _transduced(x: Tensor) -> Tensor:
    """Two frames, and the same two logits before and after the one label."""
    node = torch.stack([torch.zeros_like(x), x], dim=-1)
    ones = torch.ones(len(x), dtype=torch.int32)
    logits = node[:, None, None, :].expand(-1, 2, 2, -1)
    return F.rnnt_loss(logits, ones[:, None], 2 * ones, ones, blank=0, reduction="none")


def _cox(x: Tensor) -> Tensor:
    """Three people for each point: the first has the event, while the others are at risk."""
    zero = torch.zeros_like(x)
    duration = torch.tensor([1.0, 2.0, 2.0], dtype=x.dtype).repeat(len(x))
    event = torch.tensor([1.0, 0.0, 0.0], dtype=x.dtype).repeat(len(x))
    strata = torch.arange(len(x)).repeat_interleave(3)
    people = torch.stack([x, zero, zero], dim=1).flatten()
    return F.cox_loss(people, duration, event, strata=strata, reduction="none").unflatten(0, (-1, 3)).sum(dim=1)


LABEL = "logit of the label in every frame, that of the blank being 0"
ONE_NUMBER: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
    "linear_cross_entropy": ("the feature, which is the logit of the true class, the other being 0", _linear),
    "ctc_loss": (LABEL, _ctc),
    "ctc_loss_with_logits": (LABEL, _ctc_with_logits),
    "rnnt_loss": (LABEL, _transduced),
    "cox_loss": ("log-risk of the one with the event, that of two others being 0", _cox),
}
"""A small case of each loss that is no function of one number."""


def panels(record: Loss) -> tuple[Panel, Panel]:
    """The loss and its gradient."""
    return _of_record(record) if record.plot else _of_small_case(record.name)


def _of_record(record: Loss) -> tuple[Panel, Panel]:
    value, gradient = (
        Panel(
            title=panel.get_title(),
            axis=panel.get_xlabel(),
            lines=[
                Line(str(line.get_label()), str(line.get_color()), line.get_xdata(), line.get_ydata())
                for line in panel.get_lines()
                if len(line.get_xdata()) == POINTS
            ],
            range=panel.get_ylim(),
        )
        for panel in curves([record.name]).axes
    )
    return value, gradient


def _of_small_case(name: str) -> tuple[Panel, Panel]:
    axis, loss = ONE_NUMBER[name]
    x = torch.linspace(-6, 6, POINTS, dtype=torch.float64, requires_grad=True)
    value = loss(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)

    def panel(title: str, y: Tensor) -> Panel:
        line = Line(name, COLOURS[0], x.detach().numpy(), y.detach().numpy())
        return Panel(title, axis, [line], None)

    return panel("loss", value), panel("gradient", gradient)


def drawing(panel: Panel, name: str, title: str, axis: str) -> str:
    with matplotlib.rc_context(STYLE):
        figure, place = axes(title, axis)
        for line in panel.lines:
            place.plot(line.x, line.y, color=line.colour)
        if panel.range:
            place.set_ylim(panel.range)
        return svg(figure, name)


def thumbnail(panel: Panel, name: str) -> str:
    with matplotlib.rc_context(STYLE):
        figure, place = axes(width=2.0, height=1.2)
        for line in panel.lines:
            place.plot(line.x, line.y, color=line.colour, linewidth=1.2)
        if panel.range:
            place.set_ylim(panel.range)
        place.tick_params(labelbottom=False, labelleft=False)
        place.grid(False)
        return svg(figure, name)
