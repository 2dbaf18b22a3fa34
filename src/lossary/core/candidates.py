"""Rows that are coupled through candidates: row i's positive is candidate `positives[i]`, or i where these are None."""

from lossary.core.arrays import Array, arange, cast_index, namespace


def places(input: Array, positives: Array | None) -> Array:
    """The place of each row's positive among the candidates."""
    if positives is not None:
        return positives
    xp = namespace(input)
    return arange(input.shape[0], like=cast_index(xp.zeros_like(input[:, :0], dtype=xp.bool), input))


def remaining(rows: Array, positives: Array | None, candidates: int) -> Array:
    """Which candidates are in a batch of which some rows are not: a positive leaves with the last of its rows."""
    xp = namespace(rows)
    place = arange(candidates, like=cast_index(rows, rows) if positives is None else positives)
    if positives is None:
        return xp.concat([rows, place[rows.shape[0] :] >= 0])
    named = xp.expand_dims(positives, axis=1) == xp.expand_dims(place, axis=0)
    taken, kept = (xp.any(named & xp.expand_dims(of, axis=1), axis=0) for of in (~rows, rows))
    return kept | ~taken
