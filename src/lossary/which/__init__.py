"""Which loss for which task, and why: one table of rules, which the command, the chart and the explorer read.

>>> from lossary.which import answer
>>> answer("regression", {"outliers"}).loss
'huber_loss'
"""

from lossary.which.answers import Answer, Other, Reason, answer
from lossary.which.chart import chart
from lossary.which.compare import Comparison, compare
from lossary.which.data import Seen, look
from lossary.which.rule import Claim, Rule, Task
from lossary.which.tasks import TASKS

__all__ = [
    "TASKS",
    "Answer",
    "Claim",
    "Comparison",
    "Other",
    "Reason",
    "Rule",
    "Seen",
    "Task",
    "answer",
    "chart",
    "compare",
    "look",
]
