"""Every text of `lossary which`, for translation."""

from lossary.which.answers import ABOUT, AND
from lossary.which.answers import WORDS as ANSWERS
from lossary.which.chart import WORDS as CHART
from lossary.which.compare import AXES
from lossary.which.compare import WORDS as COMPARED
from lossary.which.data import WORDS as SEEN
from lossary.which.tasks import TASKS


def texts() -> list[str]:
    found = [AND, *ABOUT.values(), *ANSWERS.values(), *CHART.values(), *SEEN.values(), *COMPARED.values(), *AXES]
    for task in TASKS.values():
        found += [task.says, *task.circumstances.values()]
        for rule in task.rules:
            found += [rule.says, *(claim.text for claim in rule.because), rule.not_when]
    return found
