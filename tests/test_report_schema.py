"""Reports of every task are what docs/report.schema.json says, which says nothing that no report has."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jsonschema
import numpy as np
import pytest
import scipy.special
from referencing import Registry

import lossary
from lossary.reports import Report, report
from lossary.reports.comparison.engine import PARTS
from lossary.reports.engine import SCHEMA_VERSION
from lossary.reports.sections import OF_TOKENS, SECTIONS
from lossary.reports.understand import Kind, Task

DOCS = Path(__file__).parents[1] / "docs"
SCHEMA, OF_COMPARISONS = (
    json.loads((DOCS / f"{name}.schema.json").read_text("utf-8")) for name in ("report", "comparison")
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
REGISTRY = Registry().with_contents([(SCHEMA["$id"], SCHEMA)])

N = 400
rng = np.random.default_rng(2)
LOGITS = rng.normal(size=(N, 3)) * 2
LABELS = (LOGITS + rng.gumbel(size=LOGITS.shape)).argmax(axis=1)
ONE = rng.normal(size=N) * 2
YES = (rng.random(N) < scipy.special.expit(ONE)).astype(int)
SOFT = rng.dirichlet(np.ones(3), N)
SURE = rng.normal(size=(5 * N, 3)) * 8
WRONG = ((SURE + rng.gumbel(size=SURE.shape)).argmax(axis=1) + (rng.random(5 * N) < 0.1)) % 3


def tokens(folder: Path) -> Report:
    records = [{"token_logprobs": (-rng.exponential(size=5)).tolist()} for _ in range(40)]
    path = folder / "tokens.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return report(path)


REPORTS: dict[str, Callable[[Path], Report]] = {
    "demo": lambda folder: report(),
    "classification": lambda folder: report(LOGITS, LABELS, names=["a", "b", "c"]),
    "in Chinese": lambda folder: report(LOGITS, LABELS, language="zh"),
    "probabilities of 0": lambda folder: report(np.eye(3)[np.arange(N) % 3], LABELS, kind="probs"),
    "wrong way round": lambda folder: report(-LOGITS, LABELS),
    "wrong labels": lambda folder: report(SURE, WRONG),
    "NaN": lambda folder: report(np.where(np.arange(N)[:, None] == 3, np.nan, LOGITS), LABELS),
    "a class that never occurs": lambda folder: report(LOGITS, np.minimum(LABELS, 1)),
    "one sample": lambda folder: report(LOGITS[:1], LABELS[:1]),
    "nothing counts": lambda folder: report(LOGITS, np.full(N, -100)),
    "binary": lambda folder: report(ONE, YES),
    "multilabel": lambda folder: report(LOGITS, (rng.random((N, 3)) < scipy.special.expit(LOGITS)).astype(int)),
    "soft": lambda folder: report(np.log(SOFT) + rng.normal(size=SOFT.shape) / 3, SOFT),
    "regression": lambda folder: report(ONE, ONE + rng.normal(size=N)),
    "regression of 3": lambda folder: report(ONE[:3], ONE[:3] + 1),
    "counts": lambda folder: report(np.exp(ONE / 2), rng.poisson(np.exp(ONE / 2))),
    "tokens": tokens,
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("reports")
    return {name: json.loads(made(folder).to_json(), parse_constant=pytest.fail) for name, made in REPORTS.items()}


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_is_what_the_schema_says(name: str, reports: dict[str, Any]) -> None:
    errors = [f"{error.json_path}: {error.message[:200]}" for error in VALIDATOR.iter_errors(reports[name])]
    assert not errors, "\n".join(errors)


def test_what_the_code_allows_is_what_the_schema_allows() -> None:
    fields = SCHEMA["$defs"]["understood"]["properties"]
    assert fields["task"]["enum"] == list(get_args(Task))
    assert fields["kind"]["enum"] == list(get_args(Kind))
    sections = list(dict.fromkeys(["reading", *(section.id for section in (*SECTIONS, *OF_TOKENS))]))
    assert sorted(SCHEMA["$defs"]["section"]["enum"]) == sorted(sections)
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION


@pytest.mark.parametrize("name", ["logits", "values", "infinite"])
def test_a_comparison_is_what_its_schema_says(name: str) -> None:
    a, b, targets = {
        "logits": (LOGITS, 2 * LOGITS, LABELS),
        "values": (ONE, ONE + 1, ONE + rng.normal(size=N)),
        "infinite": (np.eye(3)[np.arange(N) % 3], scipy.special.softmax(LOGITS, axis=1), LABELS),
    }[name]
    made = json.loads(lossary.compare(a, b, targets).to_json(), parse_constant=pytest.fail)
    validator = jsonschema.Draft202012Validator(OF_COMPARISONS, registry=REGISTRY)
    assert not [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(made)]
    assert not validator.is_valid({**made, "understood": made["understood"]["a"]})
    sections = ["reading", *(part.id for part in PARTS)]
    assert sorted(OF_COMPARISONS["$defs"]["section"]["enum"]) == sorted(sections)
    assert _properties(OF_COMPARISONS) <= _keys(made)


def test_no_section_and_no_field_is_stale(reports: dict[str, Any]) -> None:
    """Each name that the schema has is in one of these reports."""
    seen = {key for made in reports.values() for key in _keys(made)}
    assert _properties(SCHEMA) <= seen
    assert {section["id"] for made in reports.values() for section in made["sections"]} == set(
        SCHEMA["$defs"]["section"]["enum"]
    )


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


def _properties(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(_properties, schema))
    if not isinstance(schema, dict):
        return set()
    own = set(schema["properties"]) if isinstance(schema.get("properties"), dict) and "if" not in schema else set()
    return own.union(*(_properties(value) for value in schema.values()))


def _without(path: list[str], made: Any) -> Any:
    changed = json.loads(json.dumps(made))
    *parents, last = path
    place = changed
    for key in parents:
        place = place[int(key) if key.isdigit() else key]
    del place[last]
    return changed


@pytest.mark.parametrize("path", ["seed", "understood.task", "findings.0.cause", "sections.2.values.cross_entropy.low"])
def test_a_field_that_is_missing_is_found(path: str, reports: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(_without(path.split("."), reports["classification"]))


def test_numbers_that_json_lacks_are_null(reports: dict[str, Any]) -> None:
    (losses,) = [section for section in reports["probabilities of 0"]["sections"] if section["id"] == "losses"]
    assert losses["values"]["cross_entropy"]["mean"] is None
    (one,) = [section for section in reports["one sample"]["sections"] if section["id"] == "losses"]
    assert one["values"]["cross_entropy"]["low"] is None


def test_values_have_the_same_names_in_every_language(reports: dict[str, Any]) -> None:
    def names(made: Any) -> list[Any]:
        return [[section["id"], sorted(_keys(section["values"]))] for section in made["sections"]]

    english = json.loads(report(LOGITS, LABELS).to_json())
    assert names(reports["in Chinese"]) == names(english)
    assert reports["in Chinese"]["understood"]["text"] != english["understood"]["text"]


TWICE = """
import hashlib, sys
import numpy as np
import lossary
rng = np.random.default_rng(3)
logits = rng.normal(size=(500, 4)) * 4
labels = (logits / 4 + rng.gumbel(size=logits.shape)).argmax(axis=1)
for report in (lossary.report(logits, labels), lossary.report(logits[:, 0], logits[:, 1], language="zh")):
    for text in (report.to_json(), report.to_html(), report._repr_html_(), repr(report)):
        print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_the_same_input_has_the_same_bytes_in_every_process() -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(lossary.__file__).parents[1])}
    answers = [
        subprocess.run(
            [sys.executable, "-c", TWICE],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert answers[0] == answers[1]
    assert len(set(answers[0].split())) == 8
