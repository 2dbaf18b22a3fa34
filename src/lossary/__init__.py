"""Lossary: the library of loss functions.

The losses are functions under torch's names (``lossary.cross_entropy``), and modules in ``lossary.nn``. They take
arrays of torch, NumPy, JAX and any library that follows the array API standard, and answer in kind.
"""

import importlib as _importlib
from types import ModuleType as _Module
from typing import TYPE_CHECKING

from lossary import functional as functional
from lossary.alignment import ctc_align as ctc_align
from lossary.core.record import catalogue as catalogue
from lossary.core.sparse_targets import Mixed as Mixed
from lossary.core.sparse_targets import TopK as TopK
from lossary.core.strict import strict as strict
from lossary.dispatch.explain import explain as explain
from lossary.dispatch.own import loss as loss
from lossary.log_probs import LogProb as LogProb
from lossary.log_probs import linear_log_prob as linear_log_prob
from lossary.log_probs import log_prob as log_prob
from lossary.losses.all_losses import *  # noqa: F403
from lossary.misuse import check as check
from lossary.patch import patch_torch as patch_torch
from lossary.version import __version__ as __version__
from lossary.weights import class_weights as class_weights
from lossary.weights import pos_weight as pos_weight

if TYPE_CHECKING:
    from lossary import identities as identities
    from lossary import information as information
    from lossary import nn as nn
    from lossary.plots import plot as plot
    from lossary.recorder import Recorder as Recorder
    from lossary.reports import compare as compare
    from lossary.reports import report as report
else:  # a type checker would take every name for one of these
    __all__ = [name for name, x in globals().items() if name[0] != "_" and not isinstance(x, _Module | bool)]
    # Imported when they are asked for: nn imports torch, reports and plots import SciPy.
    _MODULES_LATER = ("identities", "information", "nn")
    _NAMES_LATER = {"Recorder": "recorder", "compare": "reports", "plot": "plots", "report": "reports"}

    def __getattr__(name: str) -> object:
        why = f"lossary has no {name!r}; lossary.catalogue() lists the losses, dir(lossary) the rest"
        try:
            if name in _MODULES_LATER:
                return _importlib.import_module(f"lossary.{name}")
            if name in _NAMES_LATER:
                return getattr(_importlib.import_module(f"lossary.{_NAMES_LATER[name]}"), name)
        except ImportError as error:
            why = str(error)
        raise AttributeError(why, name=name, obj=_importlib.import_module(__name__))

    def __dir__() -> list[str]:
        return sorted([*__all__, *_MODULES_LATER, *_NAMES_LATER, "functional", "__version__"])
