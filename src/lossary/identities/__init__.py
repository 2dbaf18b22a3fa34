"""The algebra of losses as data: how they follow from each other, each statement checkable on any array library.

>>> from lossary.identities import IDENTITIES, check
>>> identity = next(i for i in IDENTITIES if i.name == "huber_is_scaled_smooth_l1")
>>> identity.statement
'Huber = delta times smooth L1 with beta = delta.'
>>> check(identity, "numpy", "float32").holds
True
"""

from lossary.identities.all_identities import IDENTITIES, family_of
from lossary.identities.checking import Checked, check, verify, worked
from lossary.identities.identity import Domain, Identity, gradient

__all__ = ["IDENTITIES", "Checked", "Domain", "Identity", "check", "family_of", "gradient", "verify", "worked"]
