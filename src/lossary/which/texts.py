"""Every text of `lossary which`, for translation."""

from lossary.which import answers, chart, compare, data
from lossary.which.tasks import TASKS


def texts() -> list[str]:
    found = [*answers.ABOUT.values(), *answers.WORDS.values(), *chart.WORDS.values(), *data.WORDS.values()]
    found += [*compare.WORDS.values(), *compare.AXES]
    for task in TASKS.values():
        found += [task.says, *task.circumstances.values()]
        for rule in task.rules:
            found += [rule.says, *(claim.text for claim in rule.because), rule.not_when]
    return found
