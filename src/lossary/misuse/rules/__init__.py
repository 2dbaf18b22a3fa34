"""Every rule."""

from collections.abc import Iterator

from lossary.misuse.call import Call
from lossary.misuse.rule import Rule, Seen, rule
from lossary.misuse.rules import (
    boxes,
    counted,
    distributions,
    embeddings,
    guessing,
    inputs,
    likelihoods,
    numerics,
    preferences,
    reductions,
    sequences,
    survival,
    targets,
)


@rule(
    "LS100",
    "the loss refuses the call",
    "error",
    when=lambda call, name: bool(call.refusal),
    refused=True,
    why="its arguments break the contract: nothing is computed",
    fix="lossary show NAME: shapes, dtypes and options of a loss",
)
def refused(call: Call, name: str) -> Iterator[Seen]:
    yield Seen(call.refusal, fix=f"lossary show {call.loss.name}: its shapes, dtypes and options")


RULES: tuple[Rule, ...] = (
    refused,
    inputs.softmax_twice,
    inputs.sigmoid_twice,
    distributions.not_normalised,
    distributions.probabilities_as_logs,
    distributions.logs_as_probabilities,
    inputs.logits_as_probabilities,
    likelihoods.rates_as_logs,
    likelihoods.odd_variances,
    preferences.above_zero,
    inputs.one_class,
    inputs.decisions,
    inputs.decisions_in_regression,
    embeddings.collapsed,
    embeddings.scale_as_temperature,
    embeddings.copies,
    preferences.trained_reference,
    boxes.two_units,
    boxes.corners_as_sides,
    targets.class_dimension,
    targets.other_code,
    distributions.not_distributions,
    targets.column_against_row,
    targets.target_dtype,
    targets.no_such_class,
    targets.multi_hot,
    counted.nothing_counts,
    sequences.shifted_targets,
    counted.ignores_a_class,
    counted.never_seen,
    counted.dominates,
    counted.one_class_only,
    guessing.wrong_way_round,
    guessing.unrelated,
    reductions.weights_along,
    reductions.mean_of_elements,
    reductions.odd_weights,
    reductions.batchmean_of_sequences,
    preferences.averages,
    sequences.blank_among_labels,
    sequences.longer_than_input,
    sequences.padding_counted,
    sequences.only_blanks,
    sequences.never_emitted,
    numerics.not_a_number,
    numerics.infinite,
    numerics.too_large,
    numerics.coarse,
    numerics.flat,
    numerics.saturated,
    numerics.equal_rows,
    numerics.gradient_of_target,
    likelihoods.other_scale,
    survival.odd_events,
    survival.turned_round,
    survival.nobody_at_risk,
)
