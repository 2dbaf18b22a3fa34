"""Lossary: the library of loss functions.

The losses are functions under torch's names (``lossary.cross_entropy``), and modules in ``lossary.nn``. They take
arrays of torch, NumPy, JAX and any library that follows the array API standard, and answer in kind.
"""

from lossary.alignment import ctc_align as ctc_align
from lossary.core.record import catalogue as catalogue
from lossary.core.sparse_targets import Mixed as Mixed
from lossary.core.sparse_targets import TopK as TopK
from lossary.core.strict import strict as strict
from lossary.dispatch.explain import explain as explain
from lossary.functional import *  # noqa: F403
from lossary.log_probs import LogProb as LogProb
from lossary.log_probs import linear_log_prob as linear_log_prob
from lossary.log_probs import log_prob as log_prob
from lossary.misuse import check as check
from lossary.patch import patch_torch as patch_torch
from lossary.weights import class_weights as class_weights
from lossary.weights import pos_weight as pos_weight

__version__ = "0.1.0"
