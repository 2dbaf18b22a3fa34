"""Two files of predictions over the same samples, compared pair by pair."""

from lossary.reports.comparison.engine import Comparison as Comparison
from lossary.reports.comparison.engine import run as run
from lossary.reports.comparison.inputs import aligned as aligned
from lossary.reports.comparison.inputs import both as both
