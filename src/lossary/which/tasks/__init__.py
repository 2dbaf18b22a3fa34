"""The table: what there is to predict, in the order of the chart."""

from lossary.which.rule import Task
from lossary.which.tasks.classes import BINARY, CLASSIFICATION, LANGUAGE_MODEL, MULTILABEL
from lossary.which.tasks.numbers import REGRESSION, SURVIVAL
from lossary.which.tasks.pictures import BOXES, SEGMENTATION
from lossary.which.tasks.relations import EMBEDDING, PREFERENCE, RANKING, SEQUENCE

TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        CLASSIFICATION,
        BINARY,
        MULTILABEL,
        REGRESSION,
        LANGUAGE_MODEL,
        SEGMENTATION,
        BOXES,
        EMBEDDING,
        RANKING,
        PREFERENCE,
        SEQUENCE,
        SURVIVAL,
    )
}
