"""The algebra of losses as data: how they follow from each other, each statement checkable on any array library.

>>> from lossary.identities import IDENTITIES, check
>>> identity = next(i for i in IDENTITIES if i.name == "huber_is_scaled_smooth_l1")
>>> identity.statement
'Huber = delta times smooth L1 with beta = delta.'
>>> check(identity, "numpy", "float32").holds
True
"""

from lossary.identities.binary import BINARY
from lossary.identities.checking import Checked, check, verify
from lossary.identities.classification import CLASSIFICATION
from lossary.identities.identity import Domain, Identity, gradient
from lossary.identities.information import INFORMATION
from lossary.identities.regression import REGRESSION
from lossary.identities.sequence import SEQUENCE

__all__ = ["IDENTITIES", "Checked", "Domain", "Identity", "check", "gradient", "verify"]

IDENTITIES: tuple[Identity, ...] = (*INFORMATION, *CLASSIFICATION, *BINARY, *REGRESSION, *SEQUENCE)
