"""Times to events: their code, their order, and who is at risk."""

from collections.abc import Iterator

import numpy as np

from lossary.core import reference
from lossary.misuse.call import Call, Unchecked
from lossary.misuse.reading import host
from lossary.misuse.rule import Seen, rule
from lossary.misuse.wording import distinct, paste, places

SOME = 16
"""Events from which a batch shows which way outputs go, and rows from which silence is no chance."""


@rule(
    "LS190",
    "events that are neither 0 nor 1",
    "error",
    words=("events",),
    when=lambda call, name: bool(call.refusal),
    refused=True,
    why="1 says that the event was seen, 0 that the row was censored",
    fix="pass event == 1, with the code of the event",
)
def odd_events(call: Call, name: str) -> Iterator[Seen]:
    event = call.host(name)
    wrong = (event != 0) & (event != 1)
    if not wrong.any():
        return
    fix, codes, times = "", set(np.unique(event).tolist()), call.named("durations")
    if codes == {1, 2}:
        fix = f"counted from 1: {paste(call, **{name: f'{name} - 1'})}"
    elif times and set(np.unique(call.host(times[0])).tolist()) <= {0, 1}:
        fix = f"the durations are 0 and 1: {paste(call, **{name: times[0], times[0]: name})}"
    yield Seen(f"they are {distinct(event)}", fix=fix, where=places(wrong))


@rule(
    "LS191",
    "outputs that are higher where rows last longer",
    "warning",
    words=("log-hazards",),
    why="a log-hazard is higher where the event comes earlier: turned round, training begins by unlearning",
    fix="pass -input, of a model that predicts times or scores of survival",
)
def turned_round(call: Call, name: str) -> Iterator[Seen]:
    died = call.host(call.named("events")[0])[call.kept] != 0
    if died.sum() < SOME:
        raise Unchecked(f"{np.count_nonzero(died)} events are too few to tell which way outputs go")
    opposite = call.checked.holding({**call.checked.arrays(), name: -call.checked.values[name]})
    gain = call.losses[died] - host(reference.run(opposite))[call.kept][died]
    if not np.isfinite(gain).all() or gain.mean() < 5 * gain.std() / np.sqrt(gain.size) or gain.mean() < 0.1:
        return
    yield Seen(
        f"with their sign turned they fit the times better: loss {call.losses[died].mean() - gain.mean():.4g} against "
        f"{call.losses[died].mean():.4g}, over {gain.size:,} events",
        fix=paste(call, **{name: f"-{name}"}),
    )


@rule(
    "LS192",
    "nobody else at risk",
    "warning",
    words=("events",),
    why="an event is told from nobody: the loss is 0, with gradient 0, and nothing is learnt",
    fix="larger batches, or ones in which censored rows and later events stand beside each event",
)
def nobody_at_risk(call: Call, name: str) -> Iterator[Seen]:
    kept, died = call.kept, call.host(name) != 0
    events, rows = died & kept, np.count_nonzero(kept)
    if rows < SOME:
        raise Unchecked(f"{rows} rows are too few to tell a mistake from chance")
    if not events.any():
        yield Seen(f"none of {rows:,} rows has an event", fix="1 is for the event, 0 for a censored row")
        return
    time = call.host(call.named("durations")[0])
    strata = call.host("strata") if "strata" in call.specs else np.zeros(time.shape)
    alone = [
        np.count_nonzero(kept & (strata == strata[i]) & (time >= time[i])) == 1 for i in _latest(events, time, strata)
    ]
    if len(alone) == np.count_nonzero(events) and all(alone):
        yield Seen(f"each of {len(alone):,} events is the last of its stratum, with nobody left at risk")


def _latest(events: np.ndarray, time: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """The last event of each stratum: it alone can be alone."""
    order = np.lexsort((time, strata))
    order = order[events[order]]
    return order[np.append(strata[order][1:] != strata[order][:-1], True)]
