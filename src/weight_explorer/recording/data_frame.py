"""Export of all statistics as a tidy pandas DataFrame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from weight_explorer.recording.statistics.histograms import QUANTILES
from weight_explorer.recording.statistics.summary import FIELD_INDEX, FIELDS, QUANTITIES

if TYPE_CHECKING:
    import pandas as pd

    from weight_explorer.recording.history import History

RECORD_COLUMNS = ("epoch", "batch", "position", "kind", "fit", "keras_epoch")


def build_frame(history: History) -> pd.DataFrame:
    """Return a DataFrame with one row per record, weight and quantity; see `History.to_frame`."""
    import pandas as pd  # noqa: PLC0415 - takes 0.4 s, and only this function needs it

    parts = [pd.DataFrame(columns) for key in history.keys for columns in _weight_columns(history, key)]
    if not parts:
        return pd.DataFrame()
    # A stable sort keeps the order by weight, then by quantity, within a record.
    return pd.concat(parts, ignore_index=True).sort_values("step", kind="stable", ignore_index=True)


def _weight_columns(history: History, key: str) -> list[Mapping[str, Any]]:
    column = history.weight_history(key)
    if column is None:
        return []
    steps = {step.number: step for step in history.records}
    found = [steps[int(number)] for number in column.record_numbers]
    weight = history.catalog.weights.get(key)
    layer, role = (weight.layer, weight.role) if weight else ("", "")
    head = {"step": column.record_numbers} | {name: [getattr(step, name) for step in found] for name in RECORD_COLUMNS}
    head |= {"key": key, "layer": layer, "role": role}
    head["learning_rate"] = np.array([step.facts.learning_rate_of(key) for step in found], np.float64)
    head["trained"] = np.array([step.facts.is_trained(key) for step in found], object)
    rows, estimated = column.rows(slice(None)), column.sample is not None
    shares = dict(
        zip((f"q{round(share * 100):02d}" for share in QUANTILES), history.histograms(key).quantiles().T, strict=True)
    )
    changes = (
        {"quantity": name} | _statistics_columns(rows, place) | {"estimated": estimated}
        for place, name in enumerate(QUANTITIES)
    )
    value, *others = changes
    return [head | value | {"estimated": False} | shares, *(head | other for other in others)]


def _statistics_columns(rows: np.ndarray, quantity_index: int) -> dict[str, np.ndarray]:
    shown, norms = rows[:, quantity_index], rows[:, 0, FIELD_INDEX["norm"]]
    fields = {name: shown[:, FIELD_INDEX[name]] for name in FIELDS}
    fields["infs"] = fields["positive_infs"] + fields["negative_infs"]
    with np.errstate(divide="ignore", invalid="ignore"):
        fields["update_ratio"] = fields["norm"] / norms if quantity_index else np.full(len(norms), np.nan)
    return fields
