"""What Python reads of schemas.inc and functions.inc, and the numbers of reductions."""

import re
from pathlib import Path

REDUCTIONS = {"none": 0, "mean": 1, "sum": 2, "batchmean": 3}


def _found(file: str, pattern: str) -> list[str]:
    return re.findall(pattern, Path(__file__).with_name(file).read_text("utf-8"), re.MULTILINE)


SCHEMAS = _found("schemas.inc", r'^"(.*)",$')
FUNCTIONS = {name: i for i, name in enumerate(_found("functions.inc", r"^LOSSARY_FUNCTION\((\w+)"))}
"""The numbers of elementwise functions."""
