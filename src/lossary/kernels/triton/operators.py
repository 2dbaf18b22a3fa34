"""What the operators of kernels/operators.py do on CUDA."""

from collections.abc import Callable
from typing import Any

from lossary.kernels.triton import rows
from lossary.kernels.triton.boxes import box_losses
from lossary.kernels.triton.cox import cox
from lossary.kernels.triton.divergence import kl_rows
from lossary.kernels.triton.elementwise import elementwise_losses, elementwise_of_two
from lossary.kernels.triton.overlap import overlap
from lossary.kernels.triton.pairs import pairs
from lossary.kernels.triton.rescale import rescale_
from lossary.kernels.triton.rnnt import rnnt
from lossary.kernels.triton.similarities import similarities

IMPLEMENTATIONS: dict[str, Callable[..., Any]] = {
    "softmax_rows": rows.softmax_rows,
    "softmax_rows_": rows.softmax_rows_,
    "shaped_rows": rows.shaped_rows,
    "shaped_rows_": rows.shaped_rows_,
    "nll": rows.nll,
    "log_prob": rows.log_prob,
    "log_prob_backward": rows.log_prob_backward,
    "elementwise": elementwise_of_two,
    "elementwise.parameters": elementwise_losses,
    "kl_rows": kl_rows,
    "overlap": overlap,
    "pairs": pairs,
    "boxes": box_losses,
    "cox": cox,
    "rnnt": rnnt,
    "similarities": similarities,
    "rescale_": rescale_,
}
