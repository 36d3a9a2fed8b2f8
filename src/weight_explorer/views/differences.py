"""Numeric differences between all weights at two records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from weight_explorer.catalog.schema import SEED_STATE, Catalog, Weight
from weight_explorer.pictures.numbers import format_count, format_rounded, format_signed
from weight_explorer.recording.descriptions import describe_event
from weight_explorer.recording.history import History, StatisticsQuery, WeightHistory
from weight_explorer.recording.records import Record
from weight_explorer.recording.statistics.summary import FIELD_INDEX, UNKNOWN_ROW

if TYPE_CHECKING:
    import pandas as pd

# The maximum number of weights that are printed.
MAX_ROWS = 40

_HEADERS = ("weight", "changed", "norm of change", "relative", "largest change")


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between two records of one weight. Numbers are NaN if either record does not keep its values.

    Attributes:
        key: Key of the weight.
        layer: Path of its layer.
        role: Role of the weight, such as "kernel".
        elements: Number of elements.
        changed: Number of elements that differ.
        norm: L2 norm of the change, over the finite elements.
        relative: That norm divided by the norm of the earlier values; NaN if those were all 0.
        largest: The largest change of a single element, with its sign.
        index: Index of that element; None if nothing changed.
        estimated: Whether only a sample of the elements is kept, so that the numbers are estimates.
    """

    key: str
    layer: str
    role: str
    elements: int
    changed: float
    norm: float
    relative: float
    largest: float
    index: tuple[int, ...] | None
    estimated: bool

    @property
    def is_known(self) -> bool:
        """Whether both records keep values of the weight."""
        return not np.isnan(self.changed)


@dataclass(frozen=True, slots=True, repr=False)
class Differences:
    """The differences of all weights between two records: a sequence of `Difference` that prints as a table.

    `text` names the two records.
    """

    text: str
    weights: tuple[Difference, ...]

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, index: int) -> Difference:
        return self.weights[index]

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with one row for each weight."""
        import pandas as pd  # noqa: PLC0415 - takes 0.4 s, and only this function needs it

        names = Difference.__dataclass_fields__
        return pd.DataFrame([{name: getattr(each, name) for name in names} for each in self], columns=list(names))

    def __repr__(self) -> str:
        known = [each for each in self if each.is_known]
        count = sum(each.changed > 0 for each in known)
        missing = f" Not kept at both records: {len(self) - len(known)}." if len(known) < len(self) else ""
        rows = [_HEADERS, *(_table_row(each) for each in self.weights[:MAX_ROWS])]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADERS))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        more = [f"... and {len(self) - MAX_ROWS} more: .to_frame()"] if len(self) > MAX_ROWS else []
        differ = "weight differs" if len(known) == 1 else "weights differ"
        head = f"{self.text}: {count} of {len(known)} {differ}.{missing}"
        return "\n".join([head, *lines, *more])


def compare_records(catalog: Catalog, history: History, against: int, record: int | None = None) -> Differences:
    """Compare a record, by default the newest, with an earlier or later one."""
    number = record if record is not None else int(history.timeline.record_numbers[-1])
    weights = [weight for weight in catalog.weights.values() if weight.role != SEED_STATE]
    words = (
        f"Record {_describe_record(history.get_record(number), number)} against record "
        f"{_describe_record(history.get_record(against), against)}"
    )
    return Differences(
        words, tuple(_difference(weight, history.weight_history(weight.key), number, against) for weight in weights)
    )


def _describe_record(record: Record | None, number: int) -> str:
    return f"{number} ({describe_event(record)})" if record else str(number)


def _difference(weight: Weight, weight_history: WeightHistory | None, number: int, against: int) -> Difference:
    change, before = _change_and_before(weight_history, number, against)
    norm, norm_before, place = change[FIELD_INDEX["norm"]], before[FIELD_INDEX["norm"]], change[FIELD_INDEX["place"]]
    has_changed = change[FIELD_INDEX["moved"]] > 0 and np.isfinite(place)
    return Difference(
        weight.key,
        weight.layer,
        weight.role,
        weight.size,
        changed=float(change[FIELD_INDEX["moved"]]),
        norm=float(norm),
        relative=float(norm / norm_before) if norm_before > 0 else float("nan"),
        largest=float(change[FIELD_INDEX["largest"]]),
        index=tuple(map(int, np.unravel_index(int(place), weight.shape))) if has_changed else None,
        estimated=weight_history is not None and weight_history.sample is not None,
    )


def _change_and_before(weight_history: WeightHistory | None, number: int, against: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the statistics of the change, and of the values at the record that it is measured from."""
    if weight_history is None or not {number, against} <= set(weight_history.records_with_values):
        return UNKNOWN_ROW, UNKNOWN_ROW
    return StatisticsQuery("since_record", against=against).row_at(weight_history, number), StatisticsQuery("value").row_at(
        weight_history, against
    )


def _table_row(difference: Difference) -> tuple[str, ...]:
    if not difference.is_known:
        return difference.key, "not kept", "", "", ""
    about = "\N{ALMOST EQUAL TO} " if difference.estimated else ""
    changed = f"{about}{format_count(difference.changed)} of {format_count(difference.elements)}"
    if difference.index is None:
        return difference.key, changed, "", "", ""
    relative = format_rounded(difference.relative) if np.isfinite(difference.relative) else ""
    return (
        difference.key,
        changed,
        about + format_rounded(difference.norm),
        relative,
        f"{format_signed(difference.largest)} at {list(difference.index)}",
    )
