"""Units: which are the strongest, how their places have changed, and what drives each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import SEED_STATE, Weight
from weight_explorer.recording.past import Past
from weight_explorer.recording.statistics import widened
from weight_explorer.views.choice import Choice, Offer
from weight_explorer.views.entries import Entries, Grouping, arranged, entries_of, groupings, parts_of, windowed
from weight_explorer.views.numbers import capitalized, grouped
from weight_explorer.views.options import OFF_OR_ON, Option, Range
from weight_explorer.views.pictures import EmptyPicture, Picture, RankingPicture
from weight_explorer.views.ranked import MEASURES, Measure, Ranked
from weight_explorer.views.reading import MORE_MEMORY, Reading, kept_steps, read, start_step, value_of

VIEW = "units"

# As many of a unit's inputs are told in the caption.
NUM_TOLD = 3


def _ways(weight: Weight, _history: Past, _choice: Choice) -> tuple[Offer, ...]:
    return tuple(Offer(name, name) for name in groupings(weight))


def _measures(weight: Weight, history: Past, choice: Choice) -> tuple[Offer, ...]:
    is_compared = choice.quantity == "value" and len(kept_steps(weight, history)) > 1
    return tuple(Offer(name, measure.label) for name, measure in MEASURES.items() if is_compared or name != "change")


def _num_units(weight: Weight, history: Past, choice: Choice) -> Range:
    return entries_of(weight, groupings(weight)[RANK.chosen(weight, history, choice)].own).size


def _window(weight: Weight, _history: Past, _choice: Choice) -> tuple[Offer, ...]:
    has_window = any(part.side == "window" and part.size > 1 for part in parts_of(weight.axes))
    return OFF_OR_ON if has_window else ()


RANK = Option(VIEW, "rank", "rank", _ways)
BY = Option(VIEW, "by", "by", _measures)
WINDOW = Option(VIEW, "window", "each place of the window", _window, "switch")
UNIT = Option(VIEW, "unit", "unit", _num_units, "picked")
OPTIONS = (RANK, BY, WINDOW, UNIT)


def applies(weight: Weight) -> bool:
    """Whether there is anything to rank."""
    return weight.size > 1 and weight.role != SEED_STATE


def draw(weight: Weight, history: Past, choice: Choice) -> Picture:
    """Rank the units, or what else was chosen, and beside them what the picked one, or the first, is driven by."""
    reading = read(weight, history, choice)
    if isinstance(reading, EmptyPicture):
        return reading
    if reading.sample is not None:
        return EmptyPicture(
            f"Of this weight {reading.sample.words} elements are kept, too few of each unit to rank them. {MORE_MEMORY}"
        )
    grouping = groupings(weight)[RANK.chosen(weight, history, choice)]
    if WINDOW.is_on(weight, history, choice):
        grouping = windowed(weight, grouping)
    by = BY.chosen(weight, history, choice)
    with np.errstate(invalid="ignore", over="ignore"):  # of what is not finite, which is said in the caption
        sheet = _Sheet(weight, grouping, by, *_now_and_start(reading, weight, history, grouping, by))
        return _picture(sheet, reading, choice.options.get((weight.role, VIEW, UNIT.name), ""))


@dataclass(frozen=True, slots=True, eq=False)
class _Sheet:
    """Numbers to be ranked, of shape (own entries, other entries, rest), now and at the start where that is known."""

    weight: Weight
    grouping: Grouping
    by: str
    now: np.ndarray
    start: np.ndarray | None

    @property
    def measure(self) -> Measure:
        return MEASURES[self.by]

    def of_units(self) -> Ranked:
        units = entries_of(self.weight, self.grouping.own)
        is_single = self.now.shape[1:] == (1, 1)
        label = self.measure.entry[0] if is_single else self.measure.unit
        return self._ranked(units, label, lambda values: values.reshape(len(values), -1))

    def of_inputs(self, unit: int) -> Ranked:
        inputs = entries_of(self.weight, self.grouping.other)
        label = self.measure.entry[self.now.shape[2] > 1]
        return self._ranked(inputs, label, lambda values: values[unit])

    def _ranked(self, entries: Entries, label: str, rows: Callable[[np.ndarray], np.ndarray]) -> Ranked:
        start = None if self.start is None else _together(rows(self.start), self.measure)
        return Ranked(entries, label, self.measure, _together(rows(self.now), self.measure), start)


def _together(values: np.ndarray, measure: Measure) -> np.ndarray:
    return values[:, 0].astype(np.float64) if values.shape[1] == 1 else measure.together(values)


def _now_and_start(
    reading: Reading, weight: Weight, history: Past, grouping: Grouping, by: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return what is to be ranked, and the same at the start where that says anything: a change has no place there."""
    now = arranged(reading.values, weight, grouping)
    first = start_step(weight, history, reading.step.number)
    before = value_of(weight, history, first) if reading.against is None else None
    if before is None or before[0].shape != reading.values.shape:
        return now, None
    start = arranged(widened(before[0]), weight, grouping)
    if by == "change":
        return now - start, None
    return now, start if reading.step.number != first else None


def _picture(sheet: _Sheet, reading: Reading, asked: str) -> RankingPicture:
    units = sheet.of_units()
    found = units.entries.find(asked)
    words = f" {reading.words}" + _not_finite_words(units)
    if not sheet.grouping.other:
        return RankingPicture((units.ranking(_title(units)),), "", _single_words(units) + words)
    unit = int(units.first(1)[0]) if found is None else found
    inputs = sheet.of_inputs(unit)
    unknown = f' There is no {units.entries.noun} "{asked}".' if asked and found is None and not asked.isdecimal() else ""
    return RankingPicture(
        (units.ranking(_title(units), unit), inputs.ranking(_title(inputs, units.entries.words(unit)))),
        f"{VIEW}.{UNIT.name}",
        _driven_words(units, inputs, unit) + words + unknown,
    )


def _title(ranked: Ranked, of: str = "") -> str:
    which = f"{ranked.entries.nouns} of {of}" if of else ranked.entries.nouns
    by = {"norm": "norm", "mean": "mean, largest first"}.get(ranked.label, ranked.measure.label)
    return f"{capitalized(which)} by {by}"


def _not_finite_words(units: Ranked) -> str:
    count = int(np.count_nonzero(~np.isfinite(units.now)))
    return f" {grouped(count)} {units.entries.nouns} hold NaN or Inf." if count else ""


def _driven_words(units: Ranked, inputs: Ranked, unit: int) -> str:
    told = [f"{inputs.entries.words(int(i))} {inputs.number(int(i))}" for i in inputs.first(NUM_TOLD)]
    name = units.entries.words(unit)
    verb = (
        "moved most at"
        if units.measure is MEASURES["change"]
        else "is driven most by"
        if _is_driven(inputs)
        else "is strongest in"
    )
    return f"{capitalized(name)} {verb} {', '.join(told)}; {_moved_words(units, unit, name)}."


def _is_driven(inputs: Ranked) -> bool:
    return all(part.side in ("in", "window") and part.entry != "token" for part in inputs.entries.parts)


def _single_words(ranked: Ranked) -> str:
    first = int(ranked.first(1)[0])
    name = ranked.entries.words(first)
    return f"{capitalized(name)} stands first with {ranked.number(first)}; {_moved_words(ranked, first, name)}."


def _moved_words(ranked: Ranked, i: int, name: str) -> str:
    place, then = ranked.place(i), ranked.place_then(i)
    places = ranked.places_now(i)
    level = f", level with {grouped(len(places) - 1)} other{'s' if len(places) > 2 else ''}" if len(places) > 1 else ""
    stands = f"place {grouped(place)} of {grouped(ranked.entries.size)}{level}"
    if then is None:
        return f"it stands at {stands}"
    if not then:
        return f"it stands at {stands}, and was level with others at the start"
    if then in places:
        return f"it stands at {stands}, as at the start"
    return f"since the start {name} {'rose' if then > place else 'fell'} from place {grouped(then)} to {stands}"
