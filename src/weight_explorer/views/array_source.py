"""Python source lines that read the values of a weight from `model` or `explorer.history`."""

from __future__ import annotations

from weight_explorer.catalog.schema import Weight, format_index
from weight_explorer.pictures.data import EmptyPicture
from weight_explorer.recording.history import History
from weight_explorer.recording.statistics.summary import to_float
from weight_explorer.views.choice import Choice
from weight_explorer.views.reading import find_inputs


def quantity_lines(weight: Weight, history: History, choice: Choice, *, is_live: bool = False) -> list[str]:
    """Return source lines that assign the chosen quantity to `values`, or an empty list if no values are kept.

    Args:
        weight: The weight, or a slice of it.
        history: The records.
        choice: The record, the quantity, and the record to compare with.
        is_live: Whether the model still has the values of the newest record, so that they can be read from the model.
    """
    found = find_inputs(weight, history, choice)
    if isinstance(found, EmptyPicture):
        return []
    if found.against is None:
        return record_lines("values", weight, history, found.record.number, is_live=is_live)
    return [
        *record_lines("now", weight, history, found.record.number, is_live=is_live),
        *record_lines("before", weight, history, found.against.number, is_live=False),
        "values = now - before",
    ]


def record_lines(name: str, weight: Weight, history: History, number: int, *, is_live: bool = False) -> list[str]:
    """Return source lines that assign the values of one record to `name`: an array of the weight's shape, float32 or float64.

    If only a sample of the weight's elements is kept, all other elements are NaN.

    Raises:
        ValueError: If the record keeps no values of the weight.
    """
    column = history.weight_history(weight.variable_key)
    kept = column.values_at(number) if column else None
    if column is None or kept is None:
        raise ValueError(f"Record {number} keeps no values of {weight.variable_key!r}.")
    index, dtype = f"[{format_index(weight.index)}]" if weight.index else "", to_float(kept).dtype
    if column.sample is not None:
        place = f"explorer.history.records_with_values({weight.variable_key!r}).index({number})"
        return [
            f"indexes, samples = explorer.history.samples({weight.variable_key!r})  # a sample of the elements is kept",
            f"{name} = np.full({weight.variable_shape}, np.nan, np.{dtype})",
            f"{name}.flat[indexes] = samples[{place}]",
            *([f"{name} = {name}{index}"] if index else []),
        ]
    if is_live and number == column.records_with_values[-1]:
        source = weight.expression if weight.index else f"{weight.expression}.numpy()"
    else:
        source = f"explorer.history.values_at({weight.variable_key!r}, {number}){index}"
    return [f"{name} = {source}" + ("" if dtype == kept.dtype else f".astype(np.{dtype})")]
