"""JSON lines of language models: log-probabilities of the tokens that occurred, and of answers to choose from.

Serving engines that speak OpenAI's protocol write the first, lm-evaluation-harness (`--log_samples`) the second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from lossary.reports.bad_input import BadInput
from lossary.reports.formats.stored import Stored

KEY, RECORD = "token_logprobs", "record"
PLAIN = ("token_logprobs", "logprobs", "log_probs")

Record = dict[str, Any]


def open_token_log_probs(path: str, records: Callable[[], Iterable[Record]]) -> list[Stored]:
    """Of all records the tokens, one after the other, and the number of the record of each; [] where there are none."""
    if not any(_tokens(path, record) is not None for record in islice(records(), 1)):
        return []

    def blocks() -> Iterator[tuple[np.ndarray, int]]:
        for number, record in enumerate(records()):
            found = _tokens(path, record)
            if found is None:
                raise BadInput("no log-probabilities of tokens", file=path, position=f"record {number}",
                               fix="drop it; others have them")  # fmt: skip
            yield np.array([x for x in found if x is not None], np.float64), number

    count = sum(len(tokens) for tokens, _ in blocks())
    read = {
        KEY: lambda rows: (tokens for tokens, _ in blocks()),
        RECORD: lambda rows: (np.full(len(tokens), number) for tokens, number in blocks()),
    }
    dtypes = {KEY: np.dtype(np.float64), RECORD: np.dtype(np.int64)}
    return [Stored(path, key, (count,), dtypes[key], read[key]) for key in (KEY, RECORD)]


def choices(record: Record) -> Record:
    """A record of lm-evaluation-harness as the log-likelihoods of the answers and the number of the right one.

    They are pairs of a log-likelihood and whether decoding is greedy, as text.
    """
    found, target = record.get("filtered_resps"), record.get("target")
    try:
        values = [float(pair[0]) for pair in found or ()]
        return {"loglikelihoods": values, "target": int(str(target))} if len(values) > 1 else record
    except (TypeError, ValueError, IndexError):
        return record


def _tokens(path: str, record: Record) -> list[float | None] | None:
    """The log-probability of each token; None for the first, which nothing predicts."""
    body = record
    for key in ("response", "body"):  # as files of OpenAI's batches wrap it
        body = body[key] if isinstance(body.get(key), dict) else body
    if isinstance(prompt := body.get("prompt_logprobs"), list):
        if any(place is not None and len(place) != 1 for place in prompt):
            raise BadInput("several tokens for each place of the prompt", file=path, key="prompt_logprobs",
                           fix="ask for prompt_logprobs=0, which answers the prompt's own")  # fmt: skip
        return [None if place is None else next(iter(place.values()))["logprob"] for place in prompt]
    if isinstance(answers := body.get("choices"), list) and answers and isinstance(answers[0], dict):
        saved = answers[0].get("logprobs") or {}
        if isinstance(saved.get("content"), list):
            return [token["logprob"] for token in saved["content"]]
        return saved.get("token_logprobs")
    lists = [body[key] for key in PLAIN if isinstance(body.get(key), list)]
    alone = not {"label", "labels", "target", "targets", "y", "y_true"} & body.keys()
    flat = lists and alone and all(x is None or isinstance(x, int | float) for x in lists[0])
    return lists[0] if flat else None
