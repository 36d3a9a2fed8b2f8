"""Formats names and numbers for messages: weights, entries along an axis, and counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from weight_explorer.catalog.schema import Axis, NotTrainableReason, Weight, pluralize
from weight_explorer.diagnosis.context import WeightTrace

_MAX_NAMES = 8


def weight_name(weight: Weight) -> str:
    """Return the name of a weight, such as `kernel of dense`."""
    return f"{weight.role} of {layer_name(weight.layer)}"


def layer_name(path: str) -> str:
    """Return the last part of a layer path."""
    return path.rpartition("/")[2]


def join_names(names: Sequence[str]) -> str:
    """Join names as in a sentence. Long lists end with the number of remaining names.

    >>> join_names(["a"]), join_names(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    if len(names) > _MAX_NAMES:
        return f"{', '.join(names[: _MAX_NAMES - 1])} and {len(names) - _MAX_NAMES + 1} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def consecutive_ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Return the first and last number of each consecutive range of ascending numbers.

    >>> consecutive_ranges([0, 1, 2, 5])
    [(0, 2), (5, 5)]
    """
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def format_entries(axis: Axis, entries: Sequence[int]) -> str:
    """Format entries of an axis, with consecutive entries as ranges.

    >>> format_entries(Axis("input_dim", 9, entry_name="input"), [0, 1, 2, 5])
    'inputs 0 to 2 and 5'
    >>> format_entries(Axis("input_dim", 2, entry_name="input", labels=("age", "sex")), [1])
    "input 1 ('sex')"
    """
    noun = axis.entry_name or "entry"
    names = [_format_range(axis, first, last) for first, last in consecutive_ranges(entries)]
    return f"{noun if len(entries) == 1 else pluralize(noun)} {join_names(names)}"


def _format_range(axis: Axis, first: int, last: int) -> str:
    ends = [f"{end} ({axis.labels[end]!r})" if axis.labels else str(end) for end in dict.fromkeys((first, last))]
    return " to ".join(ends)


def format_count(count: float, noun: str) -> str:
    """Format a count with its noun, such as `1 row` or `2 rows`."""
    return f"{int(count)} {noun if count == 1 else pluralize(noun)}"


def format_element(weight: Weight, index: Sequence[int]) -> str:
    """Format one element, such as `input 3 ('age'), unit 1`."""
    pairs = zip(weight.axes, index, strict=True)
    return ", ".join(format_entries(axis, [entry]) for axis, entry in pairs) or "its only number"


def format_training_span(trajectory: WeightTrace) -> str:
    """Describe the span of training in which something was observed."""
    return format_batches(trajectory.num_batches, len(trajectory.changeable_indices))


def format_batches(batches: float, num_records: int) -> str:
    """Describe how many batches something lasted, or how many records if the number of batches is unknown.

    >>> format_batches(120.0, 3), format_batches(float("nan"), 3)
    ('over 120 batches', 'over 3 records')
    """
    number = round(batches) if np.isfinite(batches) else 0
    return f"over {number} batch{'es' * (number > 1)}" if number else f"over {format_count(num_records, 'record')}"


_NOT_TRAINABLE = {
    NotTrainableReason.MOVING_STATISTIC: "it is a moving statistic, which gradients do not move",
    NotTrainableReason.LAYER_STATE: "it is not a weight that gradients move",
    NotTrainableReason.QUANTIZED: "it was quantized",
    NotTrainableReason.INTEGER_DTYPE: "it holds whole numbers, which have no gradient",
    NotTrainableReason.LAYER_FROZEN: "its layer was frozen (trainable = False)",
    NotTrainableReason.PARENT_FROZEN: "{layer} above it was frozen (trainable = False)",
    NotTrainableReason.LORA: "enable_lora() had frozen it",
    NotTrainableReason.VARIABLE: "the variable itself had trainable = False",
}


def describe_not_trainable(reason: NotTrainableReason, frozen_by: str = "") -> str:
    """Explain why a weight was not trainable, as the end of a sentence. `frozen_by` is the path of the frozen layer.

    >>> describe_not_trainable(NotTrainableReason.PARENT_FROZEN, "m/base")
    'base above it was frozen (trainable = False)'
    """
    return _NOT_TRAINABLE[reason].format(layer=layer_name(frozen_by) or "a layer")
