"""Names and numbers for sentences: of weights, of entries along an axis, of counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from weight_explorer.catalog.nodes import Axis, Weight, plural
from weight_explorer.diagnosis.case import Trace

_MOST_NAMED = 8


def name_of(weight: Weight) -> str:
    """Name a weight: `kernel of dense`."""
    return f"{weight.role} of {layer_name(weight.layer)}"


def layer_name(path: str) -> str:
    """Return the last part of a layer's path."""
    return path.rpartition("/")[2]


def joined(names: Sequence[str]) -> str:
    """Join names as a sentence does, and say how many more there are.

    >>> joined(["a"]), joined(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    if len(names) > _MOST_NAMED:
        return f"{', '.join(names[: _MOST_NAMED - 1])} and {len(names) - _MOST_NAMED + 1} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and the last of each stretch of ascending numbers.

    >>> ranges([0, 1, 2, 5])
    [(0, 2), (5, 5)]
    """
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def entries_words(axis: Axis, entries: Sequence[int]) -> str:
    """Name entries of an axis, stretches of them by their ends.

    >>> entries_words(Axis("input_dim", 9, entry="input"), [0, 1, 2, 5])
    'inputs 0 to 2 and 5'
    >>> entries_words(Axis("input_dim", 2, entry="input", labels=("age", "sex")), [1])
    "input 1 ('sex')"
    """
    noun = axis.entry or "entry"
    names = [_stretch(axis, first, last) for first, last in ranges(entries)]
    return f"{noun if len(entries) == 1 else plural(noun)} {joined(names)}"


def _stretch(axis: Axis, first: int, last: int) -> str:
    ends = [f"{end} ({axis.labels[end]!r})" if axis.labels else str(end) for end in dict.fromkeys((first, last))]
    return " to ".join(ends)


def count_words(count: float, noun: str) -> str:
    """Count things: `1 row`, `2 rows`."""
    return f"{int(count)} {noun if count == 1 else plural(noun)}"


def element_words(weight: Weight, index: Sequence[int]) -> str:
    """Name one element: `input 3 ('age'), unit 1`."""
    pairs = zip(weight.axes, index, strict=True)
    return ", ".join(entries_words(axis, [entry]) for axis, entry in pairs) or "its only number"


def span_words(trace: Trace) -> str:
    """Say over how much training something was seen: `over 120 batches`, or over how many records where nobody counted."""
    number = round(trace.batches) if np.isfinite(trace.batches) else 0
    if number:
        return f"over {number} batch{'es' if number > 1 else ''}"
    return f"over {count_words(len(trace.trained), 'record')}"
