"""The Units view: the strongest units, how their ranks have changed, and which inputs drive each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import SEED_STATE, Weight
from weight_explorer.pictures.data import EmptyPicture, Picture, RankingPicture
from weight_explorer.pictures.numbers import capitalize_first, format_count
from weight_explorer.recording.history import History
from weight_explorer.recording.statistics.summary import to_float
from weight_explorer.views.axis_labels import (
    AxisLabels,
    Grouping,
    arrange,
    axis_parts,
    groupings,
    labels_of_parts,
    with_window,
)
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.options import OFF_OR_ON, ItemCount, ViewOption
from weight_explorer.views.ranking import MEASURES, RankedEntries, RankingMeasure
from weight_explorer.views.reading import MEMORY_HINT, Reading, kept_records, read_quantity, start_record, values_at_record

VIEW = "units"

# The number of a unit's inputs that are named in the caption.
NUM_INPUTS_NAMED = 3


def _grouping_items(weight: Weight, _history: History, _choice: Choice) -> tuple[MenuItem, ...]:
    return tuple(MenuItem(name, name) for name in groupings(weight))


def _measure_items(weight: Weight, history: History, choice: Choice) -> tuple[MenuItem, ...]:
    is_compared = choice.quantity == "value" and len(kept_records(weight, history)) > 1
    return tuple(MenuItem(name, measure.label) for name, measure in MEASURES.items() if is_compared or name != "change")


def _num_units(weight: Weight, history: History, choice: Choice) -> ItemCount:
    return labels_of_parts(weight, groupings(weight)[RANK.chosen(weight, history, choice)].own).size


def _window_items(weight: Weight, _history: History, _choice: Choice) -> tuple[MenuItem, ...]:
    has_window = any(part.side == "window" and part.size > 1 for part in axis_parts(weight.axes))
    return OFF_OR_ON if has_window else ()


RANK = ViewOption(VIEW, "rank", "rank", _grouping_items)
BY = ViewOption(VIEW, "by", "by", _measure_items)
WINDOW = ViewOption(VIEW, "window", "each place of the window", _window_items, "switch")
UNIT = ViewOption(VIEW, "unit", "unit", _num_units, "picked")
OPTIONS = (RANK, BY, WINDOW, UNIT)


def applies(weight: Weight) -> bool:
    """Whether there is anything to rank."""
    return weight.size > 1 and weight.role != SEED_STATE


def draw(weight: Weight, history: History, choice: Choice) -> Picture:
    """Rank the units, or the chosen kind of entries, and the inputs that drive the picked one, by default the first."""
    reading = read_quantity(weight, history, choice)
    if isinstance(reading, EmptyPicture):
        return reading
    if reading.sample is not None:
        return EmptyPicture(
            f"Of this weight {reading.sample.description} elements are kept, too few of each unit to rank them. {MEMORY_HINT}"
        )
    grouping = groupings(weight)[RANK.chosen(weight, history, choice)]
    if WINDOW.is_on(weight, history, choice):
        grouping = with_window(weight, grouping)
    by = BY.chosen(weight, history, choice)
    with np.errstate(invalid="ignore", over="ignore"):  # of numbers that are not finite; the caption mentions them
        sheet = _UnitNumbers(weight, grouping, by, *_now_and_start(reading, weight, history, grouping, by))
        return _picture(sheet, reading, choice.options.get((weight.role, VIEW, UNIT.name), ""))


@dataclass(frozen=True, slots=True, eq=False)
class _UnitNumbers:
    """Numbers to rank, of shape (own entries, other entries, rest), now and, if known, at the start."""

    weight: Weight
    grouping: Grouping
    by: str
    now: np.ndarray
    start: np.ndarray | None

    @property
    def measure(self) -> RankingMeasure:
        return MEASURES[self.by]

    def rank_units(self) -> RankedEntries:
        units = labels_of_parts(self.weight, self.grouping.own)
        is_single = self.now.shape[1:] == (1, 1)
        label = self.measure.input_names[0] if is_single else self.measure.unit_name
        return self._ranked(units, label, lambda values: values.reshape(len(values), -1))

    def rank_inputs(self, unit: int) -> RankedEntries:
        inputs = labels_of_parts(self.weight, self.grouping.other)
        label = self.measure.input_names[self.now.shape[2] > 1]
        return self._ranked(inputs, label, lambda values: values[unit])

    def _ranked(self, entries: AxisLabels, label: str, rows: Callable[[np.ndarray], np.ndarray]) -> RankedEntries:
        start = None if self.start is None else _combine(rows(self.start), self.measure)
        return RankedEntries(entries, label, self.measure, _combine(rows(self.now), self.measure), start)


def _combine(values: np.ndarray, measure: RankingMeasure) -> np.ndarray:
    return values[:, 0].astype(np.float64) if values.shape[1] == 1 else measure.combine(values)


def _now_and_start(
    reading: Reading, weight: Weight, history: History, grouping: Grouping, by: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the numbers to rank, and those at the start if they are meaningful. A change has no rank at the start."""
    now = arrange(reading.values, weight, grouping)
    first = start_record(weight, history, reading.record.number)
    before = values_at_record(weight, history, first) if reading.against is None else None
    if before is None or before[0].shape != reading.values.shape:
        return now, None
    start = arrange(to_float(before[0]), weight, grouping)
    if by == "change":
        return now - start, None
    return now, start if reading.record.number != first else None


def _picture(numbers: _UnitNumbers, reading: Reading, picked: str) -> RankingPicture:
    units = numbers.rank_units()
    found = units.labels.find(picked)
    words = f" {reading.text}" + _describe_not_finite(units)
    if not numbers.grouping.other:
        return RankingPicture((units.ranking(_title(units)),), "", _describe_first(units) + words)
    unit = int(units.top(1)[0]) if found is None else found
    inputs = numbers.rank_inputs(unit)
    unknown = f' There is no {units.labels.noun} "{picked}".' if picked and found is None and not picked.isdecimal() else ""
    return RankingPicture(
        (units.ranking(_title(units), unit), inputs.ranking(_title(inputs, units.labels.describe(unit)))),
        f"{VIEW}.{UNIT.name}",
        _describe_inputs(units, inputs, unit) + words + unknown,
    )


def _title(ranked: RankedEntries, of: str = "") -> str:
    which = f"{ranked.labels.plural_noun} of {of}" if of else ranked.labels.plural_noun
    by = {"norm": "norm", "mean": "mean, largest first"}.get(ranked.label, ranked.measure.label)
    return f"{capitalize_first(which)} by {by}"


def _describe_not_finite(units: RankedEntries) -> str:
    count = int(np.count_nonzero(~np.isfinite(units.now)))
    return f" {format_count(count)} {units.labels.plural_noun} hold NaN or Inf." if count else ""


def _describe_inputs(units: RankedEntries, inputs: RankedEntries, unit: int) -> str:
    told = [f"{inputs.labels.describe(int(i))} {inputs.format_number(int(i))}" for i in inputs.top(NUM_INPUTS_NAMED)]
    name = units.labels.describe(unit)
    verb = (
        "moved most at"
        if units.measure is MEASURES["change"]
        else "is driven most by"
        if _is_driven(inputs)
        else "is strongest in"
    )
    return f"{capitalize_first(name)} {verb} {', '.join(told)}; {_describe_rank_change(units, unit, name)}."


def _is_driven(inputs: RankedEntries) -> bool:
    return all(part.side in ("in", "window") and part.noun != "token" for part in inputs.labels.parts)


def _describe_first(ranked: RankedEntries) -> str:
    first = int(ranked.top(1)[0])
    name = ranked.labels.describe(first)
    return (
        f"{capitalize_first(name)} stands first with {ranked.format_number(first)}; "
        f"{_describe_rank_change(ranked, first, name)}."
    )


def _describe_rank_change(ranked: RankedEntries, i: int, name: str) -> str:
    place, then = ranked.rank(i), ranked.start_rank(i)
    places = ranked.tied_ranks(i)
    level = f", level with {format_count(len(places) - 1)} other{'s' if len(places) > 2 else ''}" if len(places) > 1 else ""
    stands = f"place {format_count(place)} of {format_count(ranked.labels.size)}{level}"
    if then is None:
        return f"it stands at {stands}"
    if not then:
        return f"it stands at {stands}, and was level with others at the start"
    if then in places:
        return f"it stands at {stands}, as at the start"
    return f"since the start {name} {'rose' if then > place else 'fell'} from place {format_count(then)} to {stands}"
