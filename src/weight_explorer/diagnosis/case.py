"""What rules are asked about: the weights over the records, and which of the changes training made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from weight_explorer.catalog.nodes import SEED_STATE, Axis, Catalog, Weight
from weight_explorer.diagnosis.facts import Facts
from weight_explorer.diagnosis.findings import Finding
from weight_explorer.recording.past import Column, Past
from weight_explorer.recording.statistics import INDEX, QUANTITIES, widened
from weight_explorer.recording.time import Step

# Kinds of records whose weights training has moved since the record before; others were set by somebody, or nothing moved.
TRAINED = ("batch", "epoch", "checkpoint")
# The kind of a record that shows a change of which nobody knows what made it.
UNSEEN = "outside"
_SINCE_START, _SINCE_LAST = QUANTITIES.index("since_start"), QUANTITIES.index("since_last")


class Trace:
    """One weight over the records.

    Attributes:
        weight: The weight.
        numbers: Numbers of the records with statistics.
        rows: Their statistics, of shape (records, `QUANTITIES`, `FIELDS`).
        trained: Places in `numbers` of the records that training led to, since somebody set the weights last. What was
            changed unseen after it, as by a training that nobody recorded, takes nothing from what is known of it.
        gaps: Of these, how many batches were trained since the record before, NaN where nobody knows.
        kept: Numbers of the records with values, from the state that this training began with.
    """

    def __init__(self, weight: Weight, column: Column, times: Times) -> None:
        self.weight = weight
        self.numbers = column.numbers
        self.rows = column.rows(slice(None))
        self.sample = column.sample
        self._column = column
        kinds = [times.steps[int(number)].kind for number in self.numbers]
        begin = _begin(kinds)
        gaps = np.array([times.gaps[int(number)] for number in self.numbers])
        is_trained = np.array([kind in TRAINED for kind in kinds], bool) & (gaps != 0)
        is_trained[: begin + 1] = False
        self.trained = np.flatnonzero(is_trained & ~np.isnan(self.rows[:, _SINCE_LAST, INDEX["moved"]]))
        self.gaps = gaps[self.trained]
        last = int(self.numbers[self.trained[-1]]) if len(self.trained) else int(self.numbers[-1])
        self.last = times.steps[last]
        self.kept = tuple(number for number in column.kept if self.numbers[begin] <= number <= last)

    @property
    def key(self) -> str:
        """The weight's key."""
        return self.weight.key

    def field(self, name: str, quantity: str = "since_last") -> np.ndarray:
        """One statistic at the records that training led to."""
        return self.rows[self.trained, QUANTITIES.index(quantity), INDEX[name]]

    def value_field(self, name: str) -> np.ndarray:
        """One statistic of the values at all records."""
        return self.rows[:, 0, INDEX[name]]

    @property
    def units(self) -> tuple[int, Axis]:
        """The number of the axis along which its units are, and that axis."""
        return next((number, axis) for number, axis in enumerate(self.weight.axes) if axis.side == "out")

    @property
    def batches(self) -> float:
        """How many batches were trained over all these records, NaN where nobody knows."""
        return float(self.gaps.sum())

    @cached_property
    def is_still(self) -> bool:
        """Whether training has moved no element, of those that are known; False where nothing was trained."""
        if not len(self.trained) or self.field("moved").any():
            return False
        # Of records between that were thinned away the distance to the start tells.
        around = np.union1d(self.trained, self.trained - 1)
        distances = self.rows[around, _SINCE_START][:, [INDEX["moved"], INDEX["norm"], INDEX["largest"]]]
        return bool((distances == distances[0]).all())

    def ratios(self) -> np.ndarray:
        """The norm of each change of training over the norm of the weight; NaN where nothing moved.

        Of a weight of which few elements moved, such as an embedding whose tokens are rare, it is that of those elements.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = self.field("norm") / np.sqrt(self.field("moved"))
            sizes = self.field("norm", "value") / np.sqrt(self.field("count", "value"))
            return np.where(self.field("moved") > 0, moved / sizes, np.nan)

    def finding(
        self, rule: str, severity: str, sentence: str, evidence: Mapping[str, float], step: Step | None = None, **more: Any
    ) -> Finding:
        """Make a finding of this weight, at the last record that training led to or another; see `Finding`."""
        at = step or self.last
        where = {"key": self.key, "layer": self.weight.layer, "step": at.number, "epoch": at.epoch, "keys": (self.key,)}
        return Finding(
            rule=rule, severity=severity, sentence=sentence, evidence=MappingProxyType(dict(evidence)), **where | more
        )

    @property
    def usual_step(self) -> float:
        """The root mean square change of an element that moved, in one batch: the middle one of the records."""
        moved, norms = self.field("moved"), self.field("norm")
        some = (moved > 0) & np.isfinite(self.gaps)
        return float(np.median(norms[some] / np.sqrt(moved[some]) / self.gaps[some])) if some.any() else np.nan

    def value(self, number: int) -> np.ndarray | None:
        """Values at a record, as floats of the weight's own shape; None where they are not kept whole."""
        found = None if self.sample is not None else self._column.value(number)
        return None if found is None or found.shape != self.weight.shape else widened(found)

    def ends(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Values before the first and after the last batch of this training, or None where they are not kept whole."""
        if len(self.kept) < 2 or self.sample is not None:
            return None
        first, last = self.value(self.kept[0]), self.value(self.kept[-1])
        return None if first is None or last is None else (first, last)


def _begin(kinds: Sequence[str]) -> int:
    """Return the place of the record with which the training that is to be examined began."""
    unseen = next((after for after, kind in enumerate(reversed(kinds)) if kind != UNSEEN), 0)
    seen = kinds[: len(kinds) - unseen]
    return max((place for place, kind in enumerate(seen) if kind not in (*TRAINED, "start")), default=0)


class Times:
    """When the records were made: `steps` by number, and `gaps`, by number the batches trained since the record before.

    Where records between were thinned away, the batches are taken to be spread evenly over them.
    """

    def __init__(self, past: Past) -> None:
        steps = past.records
        self.steps: Mapping[int, Step] = {step.number: step for step in steps}
        numbers = [step.number for step in steps]
        gaps = np.full(len(steps), np.nan)
        gaps[1:] = np.diff(past.timeline.batches) / np.maximum(np.diff(numbers), 1)
        self.gaps = dict(zip(numbers, gaps.tolist(), strict=True))
        self._batches = dict(zip(numbers, past.timeline.batches.tolist(), strict=True))

    def between(self, first: int, last: int) -> float:
        """Batches that were trained between two records, NaN where nobody knows."""
        return self._batches[last] - self._batches[first]


class Case:
    """A training that is to be examined.

    Attributes:
        catalog: What the model holds.
        facts: What else is known of it.
        parameters: The value of every threshold.
        times: When the records were made.
    """

    def __init__(self, catalog: Catalog, past: Past, facts: Facts, parameters: Mapping[str, float]) -> None:
        self.times = Times(past)
        self.catalog = catalog
        self.facts = facts
        self.parameters = parameters
        self._past = past

    @cached_property
    def traces(self) -> Mapping[str, Trace]:
        """Every weight of which something is recorded, in the order of the tree; seeds of random numbers are none."""
        found = {}
        for key, weight in self.catalog.weights.items():
            column = None if weight.role == SEED_STATE or not weight.size else self._past.column(key)
            if column is not None and len(column.numbers):
                found[key] = Trace(weight, column, self.times)
        return found

    @property
    def steps(self) -> Mapping[int, Step]:
        """All records, by number."""
        return self.times.steps

    @cached_property
    def layers(self) -> Mapping[str, list[Trace]]:
        """The weights of each layer that has any."""
        found: dict[str, list[Trace]] = {}
        for trace in self.traces.values():
            found.setdefault(trace.weight.layer, []).append(trace)
        return found

    def kernels(self) -> Iterator[Trace]:
        """Yield the weights that training moves and that have columns: one for each unit, over inputs."""
        for trace in self.traces.values():
            sides = [axis.side for axis in trace.weight.axes]
            if trace.weight.trainable and len(trace.trained) and sides.count("out") == 1 and "in" in sides:
                yield trace

    @cached_property
    def moves(self) -> bool:
        """Whether training moved any trainable weight."""
        return any(trace.field("moved").any() for trace in self.traces.values() if trace.weight.trainable)

    @cached_property
    def usual_step(self) -> float:
        """The root mean square change of an element in one batch: the middle one of the weights that move; NaN of none."""
        steps = [step for trace in self.traces.values() if trace.weight.trainable and np.isfinite(step := trace.usual_step)]
        return float(np.median(steps)) if steps else np.nan
