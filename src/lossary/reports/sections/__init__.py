"""The sections of the report, in the order of the page. A new section is one file and one line here."""

from lossary.reports.sections.base import Section as Section
from lossary.reports.sections.calibration import Calibration
from lossary.reports.sections.causes import Causes
from lossary.reports.sections.classes import Classes
from lossary.reports.sections.decomposition import Decomposition
from lossary.reports.sections.frequencies import Frequencies
from lossary.reports.sections.hazards import Hazards
from lossary.reports.sections.highest import Highest
from lossary.reports.sections.losses import Losses
from lossary.reports.sections.mistakes import Mistakes
from lossary.reports.sections.performance import Performance
from lossary.reports.sections.recorded import RecordedLosses, RecordedReliability
from lossary.reports.sections.residuals import Residuals
from lossary.reports.sections.tokens import Tokens
from lossary.translations import deferred

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

OF_RECORDS: tuple[type[Section], ...] = (RecordedLosses, Performance, RecordedReliability, Highest)
"""Of what `lossary.Recorder` keeps."""

UNTOLD = (
    deferred("What the loss comes from"),
    deferred("Temperature and biases of the classes"),
    deferred("AUC and average precision"),
    deferred("Suspect labels"),
)
"""What no record tells, since it has no scores of the other classes."""
