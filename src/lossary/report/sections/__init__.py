"""The sections of the report, in the order of the page. A new section is one file and one line here."""

from lossary.report.sections.base import Section as Section
from lossary.report.sections.calibration import Calibration
from lossary.report.sections.causes import Causes
from lossary.report.sections.classes import Classes
from lossary.report.sections.decomposition import Decomposition
from lossary.report.sections.frequencies import Frequencies
from lossary.report.sections.hazards import Hazards
from lossary.report.sections.highest import Highest
from lossary.report.sections.losses import Losses
from lossary.report.sections.mistakes import Mistakes
from lossary.report.sections.performance import Performance
from lossary.report.sections.residuals import Residuals
from lossary.report.sections.tokens import Tokens

SECTIONS: tuple[type[Section], ...] = (
    Causes,
    Mistakes,
    Losses,
    Decomposition,
    Performance,
    Calibration,
    Residuals,
    Classes,
    Highest,
    Frequencies,
    Hazards,
)

OF_TOKENS: tuple[type[Section], ...] = (Tokens,)
"""Of log-probabilities without those of the alternatives."""
