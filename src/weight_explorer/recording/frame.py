"""All statistics as a tidy pandas frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from weight_explorer.recording.histogram import QUANTILES
from weight_explorer.recording.statistics import FIELDS, INDEX, QUANTITIES

if TYPE_CHECKING:
    import pandas as pd

    from weight_explorer.recording.past import Past

OF_A_STEP = ("epoch", "batch", "position", "kind", "fit", "keras_epoch")


def frame_of(past: Past) -> pd.DataFrame:
    """Return one row for each record, weight and quantity; see `Past.to_frame`."""
    import pandas as pd  # noqa: PLC0415 - takes 0.4 s, and only this function needs it

    parts = [pd.DataFrame(columns) for key in past.keys for columns in _columns_of(past, key)]
    if not parts:
        return pd.DataFrame()
    # Stable: within a record, by weight, and then by quantity.
    return pd.concat(parts, ignore_index=True).sort_values("step", kind="stable", ignore_index=True)


def _columns_of(past: Past, key: str) -> list[Mapping[str, Any]]:
    column = past.column(key)
    if column is None:
        return []
    steps = {step.number: step for step in past.records}
    found = [steps[int(number)] for number in column.numbers]
    weight = past.catalog.weights.get(key)
    layer, role = (weight.layer, weight.role) if weight else ("", "")
    head = {"step": column.numbers} | {name: [getattr(step, name) for step in found] for name in OF_A_STEP}
    head |= {"key": key, "layer": layer, "role": role}
    head["learning_rate"] = np.array([step.facts.rate_of(key) for step in found], np.float64)
    head["trained"] = np.array([step.facts.is_trained(key) for step in found], object)
    rows, estimated = column.rows(slice(None)), column.sample is not None
    shares = dict(zip((f"q{round(share * 100):02d}" for share in QUANTILES), past.histograms(key).quantiles().T, strict=True))
    changes = (
        {"quantity": name} | _statistics(rows, place) | {"estimated": estimated} for place, name in enumerate(QUANTITIES)
    )
    value, *others = changes
    return [head | value | {"estimated": False} | shares, *(head | other for other in others)]


def _statistics(rows: np.ndarray, place: int) -> dict[str, np.ndarray]:
    shown, norms = rows[:, place], rows[:, 0, INDEX["norm"]]
    fields = {name: shown[:, INDEX[name]] for name in FIELDS}
    fields["infs"] = fields["positive_infs"] + fields["negative_infs"]
    with np.errstate(divide="ignore", invalid="ignore"):
        fields["update_ratio"] = fields["norm"] / norms if place else np.full(len(norms), np.nan)
    return fields
