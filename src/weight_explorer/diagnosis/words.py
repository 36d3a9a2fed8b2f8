"""Names and numbers for sentences: of weights, of entries along an axis, of counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from weight_explorer.catalog.nodes import Axis, NotTrainable, Weight, plural
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
    """Say over how much training something was seen."""
    return batches_words(trace.batches, len(trace.trained))


def batches_words(batches: float, num_records: int) -> str:
    """Say how many batches something lasted, or where that is not known, how many records.

    >>> batches_words(120.0, 3), batches_words(float("nan"), 3)
    ('over 120 batches', 'over 3 records')
    """
    number = round(batches) if np.isfinite(batches) else 0
    return f"over {number} batch{'es' * (number > 1)}" if number else f"over {count_words(num_records, 'record')}"


_NOT_TRAINABLE = {
    NotTrainable.MOVING_STATISTIC: "it is a moving statistic, which gradients do not move",
    NotTrainable.STATE: "it is not a weight that gradients move",
    NotTrainable.QUANTIZED: "it was quantized",
    NotTrainable.WHOLE_NUMBERS: "it holds whole numbers, which have no gradient",
    NotTrainable.LAYER_FROZEN: "its layer was frozen (trainable = False)",
    NotTrainable.PARENT_FROZEN: "{layer} above it was frozen (trainable = False)",
    NotTrainable.LORA: "enable_lora() had frozen it",
    NotTrainable.VARIABLE: "the variable itself had trainable = False",
}


def not_trainable_words(reason: NotTrainable, frozen_by: str = "") -> str:
    """Say why a weight was not trainable, as the end of a sentence; `frozen_by` is the path of the layer that was frozen.

    >>> not_trainable_words(NotTrainable.PARENT_FROZEN, "m/base")
    'base above it was frozen (trainable = False)'
    """
    return _NOT_TRAINABLE[reason].format(layer=layer_name(frozen_by) or "a layer")
