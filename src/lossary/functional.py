"""Every loss, under the names of torch.nn.functional where torch has it.

Where torch is imported, whatever else is asked of this module is torch.nn.functional's own, so that
`import lossary.functional as F` can stand for `import torch.nn.functional as F`.
"""

import sys as _sys
from typing import Any as _Any

from lossary.losses.binary.binary_cross_entropy import binary_cross_entropy as binary_cross_entropy
from lossary.losses.binary.binary_cross_entropy_with_logits import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from lossary.losses.classification.cross_entropy import cross_entropy as cross_entropy
from lossary.losses.classification.nll_loss import nll_loss as nll_loss
from lossary.losses.divergence.kl_div import kl_div as kl_div
from lossary.losses.embedding.cosine_embedding_loss import cosine_embedding_loss as cosine_embedding_loss
from lossary.losses.regression.huber_loss import huber_loss as huber_loss
from lossary.losses.regression.l1_loss import l1_loss as l1_loss
from lossary.losses.regression.mse_loss import mse_loss as mse_loss
from lossary.losses.regression.smooth_l1_loss import smooth_l1_loss as smooth_l1_loss
from lossary.losses.sequence.ctc_loss import ctc_loss as ctc_loss


def __getattr__(name: str) -> _Any:
    torch = _sys.modules.get("torch")
    if torch is None or name.startswith("__"):
        raise AttributeError(f"lossary.functional has no {name!r}; lossary.catalogue() lists the losses")
    return getattr(torch.nn.functional, name)
