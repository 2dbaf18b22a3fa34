"""The loss of tokens of which nothing is known but their own log-probability."""

from __future__ import annotations

from math import exp, log

import numpy as np

from lossary.reports.accumulate import Mean
from lossary.reports.chunk import Chunk
from lossary.reports.result import Column, Finding, Result, Table
from lossary.reports.sections.base import Section
from lossary.reports.understand import Understanding
from lossary.translations import join, say

SHOWN = 25
COLUMNS = (Column("record"), Column("token"), Column("loss", "#.4g"), Column("p(token)", "#.3g"))


class Tokens(Section):
    id, title, needs = "losses", "The losses", "log-probabilities of tokens alone"

    def __init__(self, understanding: Understanding, seed: int) -> None:
        super().__init__(understanding, seed)
        ids = understanding.input.ids
        self.records = ids.whole() if ids is not None else np.zeros(0, np.int64)
        self.mean, self.top = Mean(seed), np.zeros((2, 0))

    @classmethod
    def applies(cls, understanding: Understanding) -> bool:
        return understanding.task == "tokens"

    def update(self, chunk: Chunk) -> None:
        self.mean.add(chunk.loss, self.records[chunk.unit])
        self.top = np.concatenate([self.top, [chunk.loss, chunk.unit]], axis=1)
        self.top = self.top[:, np.argsort(-self.top[0], kind="stable")[:SHOWN]]

    def finish(self) -> Result:
        mean, (low, high) = self.mean.mean, self.mean.interval
        units = self.top[1].astype(np.int64)
        records = self.records[units]
        places = units - np.searchsorted(self.records, records)
        loss = self.top[0]
        rows = list(zip(records.tolist(), places.tolist(), loss.tolist(), np.exp(-loss).tolist(), strict=True))
        perplexity = exp(mean) if mean < 700 else float("inf")
        interval = say("95 % interval {low:.4g} to {high:.4g}", low=low, high=high) if low == low else ""
        bits = say("{bits:.4g} bits, perplexity {perplexity:.4g}", bits=mean / log(2), perplexity=perplexity)
        text = say("The loss is {mean:.4g} nats for each token ({more}).", mean=mean, more=join(", ", [interval, bits]))
        calibrated = say("Whether the model is calibrated needs the log-probabilities of all tokens.")
        return self.result(
            text=join(" ", [text, calibrated]),
            findings=[Finding("note", text)],
            tables=[Table(say("The {n} tokens with the highest loss", n=len(rows)), COLUMNS, rows)],
            values={"nll_loss": {"mean": mean, "low": low, "high": high}, "perplexity": perplexity},
            highlights=[
                (say("nats per token"), f"{mean:.4g}", interval),
                (say("perplexity"), f"{perplexity:.4g}", ""),
            ],
            method=say("Interval: over records, whose tokens depend on each other."),
        )
