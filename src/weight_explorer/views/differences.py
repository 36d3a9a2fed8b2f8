"""How all weights differ between two records, in numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from weight_explorer.catalog.nodes import SEED_STATE, Catalog, Weight
from weight_explorer.recording.moments import place_words
from weight_explorer.recording.past import Column, Comparison, Past
from weight_explorer.recording.statistics import INDEX, UNKNOWN
from weight_explorer.recording.time import Step
from weight_explorer.views.numbers import grouped, rough, signed

if TYPE_CHECKING:
    import pandas as pd

# Weights that are printed.
MOST_ROWS = 40

_HEADS = ("weight", "changed", "norm of change", "relative", "largest change")


@dataclass(frozen=True, slots=True)
class Difference:
    """How one weight differs between two records. Numbers are NaN where its values are not kept at both.

    Attributes:
        key: The weight.
        layer: The path of its layer.
        role: Its role, such as "kernel".
        elements: How many elements it has.
        changed: How many of them differ.
        norm: The L2 norm of the change, over the elements that are finite.
        relative: That norm over the norm of the earlier values; NaN where those all were 0.
        largest: The largest change of one element, with its sign.
        index: Which element that is; None where nothing changed.
        estimated: Whether the values of a sample of elements are kept, and the numbers are estimated from that.
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
        """Whether values are kept at both records."""
        return not np.isnan(self.changed)


@dataclass(frozen=True, slots=True, repr=False)
class Differences:
    """How all weights differ between two records: a sequence of `Difference` that prints as a table.

    `words` names the two records.
    """

    words: str
    weights: tuple[Difference, ...]

    def __iter__(self) -> Iterator[Difference]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)

    def __getitem__(self, place: int) -> Difference:
        return self.weights[place]

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each weight."""
        import pandas as pd  # noqa: PLC0415 - takes 0.4 s, and only this function needs it

        names = Difference.__dataclass_fields__
        return pd.DataFrame([{name: getattr(each, name) for name in names} for each in self], columns=list(names))

    def __repr__(self) -> str:
        known = [each for each in self if each.is_known]
        count = sum(each.changed > 0 for each in known)
        missing = f" Not kept at both records: {len(self) - len(known)}." if len(known) < len(self) else ""
        rows = [_HEADS, *(_cells(each) for each in self.weights[:MOST_ROWS])]
        widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        more = [f"... and {len(self) - MOST_ROWS} more: .to_frame()"] if len(self) > MOST_ROWS else []
        differ = "weight differs" if len(known) == 1 else "weights differ"
        head = f"{self.words}: {count} of {len(known)} {differ}.{missing}"
        return "\n".join([head, *lines, *more])


def differences_of(catalog: Catalog, past: Past, against: int, step: int | None = None) -> Differences:
    """Compare a record, or else the newest, with an earlier or later one."""
    number = step if step is not None else int(past.timeline.numbers[-1])
    weights = [weight for weight in catalog.weights.values() if weight.role != SEED_STATE]
    words = f"Record {_record_words(past.step(number), number)} against record {_record_words(past.step(against), against)}"
    return Differences(words, tuple(_difference(weight, past.column(weight.key), number, against) for weight in weights))


def _record_words(step: Step | None, number: int) -> str:
    return f"{number} ({place_words(step)})" if step else str(number)


def _difference(weight: Weight, column: Column | None, number: int, against: int) -> Difference:
    change, before = _change_and_before(column, number, against)
    norm, norm_before, place = change[INDEX["norm"]], before[INDEX["norm"]], change[INDEX["place"]]
    has_changed = change[INDEX["moved"]] > 0 and np.isfinite(place)
    return Difference(
        weight.key,
        weight.layer,
        weight.role,
        weight.size,
        changed=float(change[INDEX["moved"]]),
        norm=float(norm),
        relative=float(norm / norm_before) if norm_before > 0 else float("nan"),
        largest=float(change[INDEX["largest"]]),
        index=tuple(map(int, np.unravel_index(int(place), weight.shape))) if has_changed else None,
        estimated=column is not None and column.sample is not None,
    )


def _change_and_before(column: Column | None, number: int, against: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the statistics of the change, and of the values that it is measured from."""
    if column is None or not {number, against} <= set(column.kept):
        return UNKNOWN, UNKNOWN
    return Comparison("since_record", against=against).row(column, number), Comparison("value").row(column, against)


def _cells(each: Difference) -> tuple[str, ...]:
    if not each.is_known:
        return each.key, "not kept", "", "", ""
    about = "\N{ALMOST EQUAL TO} " if each.estimated else ""
    changed = f"{about}{grouped(each.changed)} of {grouped(each.elements)}"
    if each.index is None:
        return each.key, changed, "", "", ""
    relative = rough(each.relative) if np.isfinite(each.relative) else ""
    return each.key, changed, about + rough(each.norm), relative, f"{signed(each.largest)} at {list(each.index)}"
