"""Every identity, by family."""

from lossary.core.record import CATALOGUE
from lossary.identities.binary import BINARY
from lossary.identities.classification import CLASSIFICATION
from lossary.identities.detection import DETECTION
from lossary.identities.embedding import EMBEDDING
from lossary.identities.identity import Identity
from lossary.identities.information import INFORMATION
from lossary.identities.margin import MARGIN
from lossary.identities.preference import PREFERENCE
from lossary.identities.regression import REGRESSION
from lossary.identities.segmentation import SEGMENTATION
from lossary.identities.sequence import SEQUENCE
from lossary.identities.survival import SURVIVAL

IDENTITIES: tuple[Identity, ...] = (
    *INFORMATION,
    *CLASSIFICATION,
    *BINARY,
    *REGRESSION,
    *MARGIN,
    *EMBEDDING,
    *DETECTION,
    *SEQUENCE,
    *SEGMENTATION,
    *PREFERENCE,
    *SURVIVAL,
)


def family_of(identity: Identity) -> str:
    """The family of the first of the losses that it is about; "information" where it is about none."""
    return next((CATALOGUE[name].family for name in identity.losses if name in CATALOGUE), "information")
