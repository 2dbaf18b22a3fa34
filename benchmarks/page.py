"""docs/benchmarks.md and the summary of a run, from what run.py has written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import geometric_mean
from typing import Any

from benchmarks.cases import COMPILE, EAGER, JAX, KERAS, LIMIT, LOSSARY, PEERS, SMALL

Record = dict[str, Any]
MODES = {"step": "forward and backward", "forward": "forward alone"}
WHO = (LOSSARY, *PEERS, LIMIT)
BUSY = 0.5
"""The load from which other processes spoil what is measured."""
SLOWER = 1.05
"""By how much a small input may be slower than torch eager before it is called behind."""
HEADLINES = {
    "cross_entropy": ("2048x32000", "512x128256"),
    "cross_entropy, smoothed": ("1024x32000",),
    "cross_entropy, probabilities": ("1024x32000",),
    "kl_div_with_logits": ("1024x32000",),
    "cross_entropy, images": ("4x21x256x256",),
    "cross_entropy, images, smoothed": ("4x21x256x256",),
    "kl_div": ("4096x4096",),
    "binary_cross_entropy_with_logits": ("10000000",),
    "binary_cross_entropy": ("10000000",),
    "mse_loss": ("10000000",),
    "l1_loss": ("10000000",),
    "smooth_l1_loss": ("10000000",),
    "huber_loss": ("10000000",),
    "cosine_embedding_loss": ("65536x512",),
    "ctc_loss": ("500x32x1000x100", "1000x16x5000x200"),
    "ctc_loss_with_logits": ("500x32x1000x100", "1000x16x5000x200"),
}


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def size(case: Record) -> str:
    return "x".join(map(str, case["shape"]))


def name(case: Record) -> str:
    loss, _, options = case["title"].partition(", ")
    return f"`{loss}`{', ' if options else ''}{options} {size(case)}, {case['dtype']}"


def over(case: Record, mode: str, who: str) -> float:
    """How many times as long as Lossary a contestant takes."""
    return case[mode][who] / case[mode][LOSSARY]


def best_peer(case: Record, mode: str) -> str:
    return min((who for who in PEERS if who in case[mode]), key=case[mode].__getitem__)


def over_limit(case: Record, mode: str, who: str = LOSSARY) -> float:
    return case[mode][who] / case[mode][LIMIT]


def behind(report: Record) -> Iterator[list[str]]:
    """Wherever a peer is quicker than Lossary."""
    for mode, described in MODES.items():
        for case in report["times"]:
            best = best_peer(case, mode)
            if over(case, mode, best) < 1:
                yield [name(case), described, best, f"{1 / over(case, mode, best):.2f}"]


def behind_small(report: Record, mode: str) -> str:
    """In how many of the small cases Lossary takes more than 5% longer than torch eager."""
    found = [over(case, mode, EAGER) < 1 / SLOWER for case in report["small"]]
    return f"{sum(found)} of {len(found)}"


def means(cases: list[Record], mode: str) -> dict[str, float]:
    def mean(ratio: Callable[[Record], float]) -> float:
        return geometric_mean([ratio(case) for case in cases])

    return {
        "torch eager over Lossary": mean(lambda c: over(c, mode, EAGER)),
        "best peer over Lossary": mean(lambda c: over(c, mode, best_peer(c, mode))),
        "Lossary over LIMIT": mean(lambda c: over_limit(c, mode)),
        "best peer over LIMIT": mean(lambda c: over_limit(c, mode, best_peer(c, mode))),
        "torch eager over LIMIT": mean(lambda c: over_limit(c, mode, EAGER)),
    }


def summary(report: Record) -> str:
    """For the terminal."""
    lines = []
    for mode, described in MODES.items():
        for phase in ("times", "small", "huge_pages"):
            if report.get(phase):
                found = "   ".join(f"{what} {mean:.2f}" for what, mean in means(report[phase], mode).items())
                lines.append(f"{phase}, {described}, {len(report[phase])} cases, geometric means:\n  {found}")
    lines += [f"behind a peer: {'  '.join(row)}" for row in behind(report)]
    lines += [f"behind torch eager, small, {what}: {behind_small(report, mode)}" for mode, what in MODES.items()]
    return "\n".join(lines)


def times(cases: list[Record], mode: str) -> str:
    def row(case: Record) -> list[str]:
        milliseconds = [f"{1e3 * case[mode][who]:.3g}" if who in case[mode] else "" for who in WHO]
        best = best_peer(case, mode)
        return [name(case), *milliseconds, *compared(case, mode), f"{over(case, mode, best):.1f} ({best})"]

    titles = ("milliseconds", *WHO, "ahead of eager", "over LIMIT", "ahead of the best peer")
    return table(titles, map(row, cases))


def compared(case: Record, mode: str = "step") -> list[str]:
    return [f"{over(case, mode, EAGER):.1f}", f"{over_limit(case, mode):.1f}"]


def headlines(report: Record) -> str:
    def rows() -> Iterator[list[str]]:
        for title, sizes in HEADLINES.items():
            for chosen in sizes:
                found = [c for c in report["times"] if c["title"] == title and size(c) == chosen]
                if found:
                    cells = [*zip(*map(compared, found), strict=True)]
                    yield [name(found[0]).rpartition(",")[0], *cells[0], *cells[1]]

    titles = ("case", "ahead of eager, fp32", "bf16", "over LIMIT, fp32", "bf16")
    return table(titles, rows())


def small_sizes(cases: list[Record], mode: str) -> str:
    of = {(c["title"], tuple(c["shape"][:2]), c["dtype"]): c for c in cases}

    def row(title: str) -> list[str]:
        call = 1e6 * of[title, SMALL[0], "fp32"][mode][LOSSARY]
        cells = [[f"{over(of[title, shape, dtype], mode, EAGER):.2f}" for dtype in ("fp32", "bf16")] for shape in SMALL]
        return [title, f"{call:.1f} µs", *map(" / ".join, cells)]

    sizes = ["x".join(map(str, shape)) for shape in SMALL]
    return table(("loss", f"Lossary at {sizes[0]}", *sizes), map(row, dict.fromkeys(c["title"] for c in cases)))


def memory(cases: list[Record]) -> str:
    def row(case: Record) -> list[str]:
        beyond = [f"{(extra - case['gradients']) / 2**20:.1f}" for extra in case["extra"].values()]
        return [name(case), f"{case['gradients'] / 2**20:.1f}", *beyond]

    return table(("MiB", "gradients", LOSSARY, EAGER, COMPILE, JAX), map(row, cases))


def calls(cases: list[Record]) -> str:
    called = {c["title"]: c["how"] for c in cases}
    rows = ([title, *(how.get(who, "") for who in (LOSSARY, EAGER, JAX, KERAS))] for title, how in called.items())
    return table(("case", "Lossary", "torch", "JAX", "Keras"), rows)


def benchmarks(report: Record) -> str:
    cases, machine, versions = report["times"], report["machine"], report["versions"]
    found, huge = means(cases, "step"), means(report["huge_pages"], "step")
    slower = [*behind(report)]
    described = ", ".join(f"{what} {value}" for what, value in machine.items() if what not in ("date", "processor"))
    libraries = ", ".join(f"{library} {number}" for library, number in versions.items())
    load = machine["load at start"]
    busy = f"\n**The machine was not at rest: its load was {load:g}. Measure again.**\n" if load > BUSY else ""
    slower_rows = table(("case", "", "ahead", "Lossary takes this many times as long"), slower)
    return f"""# Benchmarks
<!-- `make docs` writes this page from benchmarks/results/benchmarks.json, which `make bench` measures. -->
Losses and their gradients on the CPU: Lossary, torch eager, `torch.compile`, `jax.jit` of Optax, Keras on JAX, and the
LIMIT: the time to read every input once and to write every gradient once.

In geometric means over {len(cases)} cases, forward and backward, Lossary is

- {found["torch eager over Lossary"]:.1f} times as fast as torch eager;
- {found["best peer over Lossary"]:.1f} times as fast as the best peer of each case;
- at {found["Lossary over LIMIT"]:.1f} times the LIMIT (best peer {found["best peer over LIMIT"]:.1f}, torch eager \
{found["torch eager over LIMIT"]:.1f}).
{busy}
![Time over the LIMIT of every case and contestant](images/benchmarks.svg)

## In short
Forward and backward: how many times as long torch eager takes, and how many times the LIMIT Lossary takes.

{headlines(report)}

## Where Lossary is behind
{slower_rows if slower else "No peer is quicker in these lists."}

Of [small inputs](#small-inputs) torch eager is quicker by more than 5% in {behind_small(report, "step")}, forward and
backward, and in {behind_small(report, "forward")}, forward alone: figures below 0.95 there.

## Forward and backward
{times(cases, "step")}

## Forward alone
Of inputs that need no gradient. The LIMIT reads every input once.

{times(cases, "forward")}

## Small inputs
How many times as long torch eager takes, fp32 / bf16; and what a call of Lossary costs where there is next to no data.
For losses with a kernel.

### Forward and backward
{small_sizes(report["small"], "step")}

### Forward alone
{small_sizes(report["small"], "forward")}

## Memory
What forward and backward need at their peak beyond the gradients, of which there must be room in any case. Counted by
the operating system as resident memory, which is the same for every library; off by less than 1 MiB.

{memory(report["memory"])}

## Huge pages
Forward and backward of the large cases once more, where torch has `THP_MEM_ALLOC_ENABLE=1` in its environment, which
asks for huge pages for its tensors; JAX does not read it. In geometric means Lossary is

- {huge["torch eager over Lossary"]:.1f} times as fast as torch eager;
- {huge["best peer over Lossary"]:.1f} times as fast as the best peer of each case;
- at {huge["Lossary over LIMIT"]:.1f} times the LIMIT.

{times(report["huge_pages"], "step")}

## How it is measured
- One process, {report["threads"]} threads on {report["threads"]} cores for everybody. In each round every contestant
  runs once, in an order that is shuffled anew, when the threads of the one before are at rest (XLA's go on for a while
  after an answer is there); a quick call is repeated until it has taken 2 ms. Medians of at least 7 rounds are
  compared. Compilation is not counted.
- Mean reduction, "batchmean" for divergences. Gradients are made anew in each step, in memory that the allocator hands
  out, and let go.
- The LIMIT writes into memory that is already there: the page faults of fresh memory are a contestant's own affair. For
  `linear_cross_entropy` it is the three matrix products. Class indices and class weights are not counted.
- `benchmarks/cases.py` holds the cases, `benchmarks/formulas.py` what each library calls:

{calls(cases)}

Measured on {machine["date"]} on {machine["processor"]} ({described}) with {libraries}: `make bench`.
"""
