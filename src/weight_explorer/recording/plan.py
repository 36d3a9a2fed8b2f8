"""How each weight is recorded: many small ones at once, others one by one, and what does not fit the memory as a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Catalog, Weight
from weight_explorer.recording.live_history import ARRAY_OVERHEAD_BYTES
from weight_explorer.recording.record_statistics import RecordStatistics
from weight_explorer.recording.sampling import MAX_SAMPLE_SIZE, Sample, choose_sample
from weight_explorer.recording.statistics import native
from weight_explorer.recording.statistics.batched import SegmentLayout

# Float32 weights of up to so many elements are summarized together: from there on a weight is worth calls of its own, and
# buffers of its own, which are used again.
MAX_BATCHED_SIZE = 1 << 17 if native.library else 1 << 11

# A sample of fewer elements says nothing worth saying; for one of this size room is set aside.
MIN_SAMPLE_SIZE = 64
RESERVED_SAMPLE_SIZE = 1024

# Copies of a weight that must fit: the first, the newest, and the one being made.
NUM_COPIES = 3


@dataclass(frozen=True, slots=True, eq=False)
class RecordingPlan:
    """What is to be done with each weight of a catalog.

    Attributes:
        slots: All weights, in the catalog's order, and where each stands in a record's arrays.
        batched: Those that are summarized together, laid out as `layout`; `batched_slots`, where they stand in a record's
            arrays; and `batched_parts`, the slice of each in the flat array, and its shape.
        individual: The others.
        samples: Of those that are kept as a sample, which elements; None where not even a sample fits.
        nbytes: What one record keeps.
        template: A sheet that says nothing yet of all of them.
    """

    slots: dict[str, int]
    batched: tuple[str, ...]
    batched_slots: np.ndarray
    batched_parts: dict[str, tuple[slice, tuple[int, ...]]]
    layout: SegmentLayout
    individual: tuple[str, ...]
    samples: dict[str, Sample | None]
    nbytes: int
    template: RecordStatistics

    def keeps_values(self, key: str) -> bool:
        """Whether values of this weight are kept, if only a sample."""
        return self.samples.get(key, ...) is not None


def make_plan(catalog: Catalog, memory: int) -> RecordingPlan:
    """Plan how to record a catalog within a bound on memory, in bytes."""
    # Complex numbers have no minimum, no sign and no histogram.
    weights = {key: catalog.weights[key] for key in catalog.variables if not catalog.weights[key].dtype.startswith("complex")}
    samples = _choose_samples(weights, memory)
    together = tuple(key for key, weight in weights.items() if key not in samples and _is_batched(weight))
    sizes = [sample.indexes.size if sample else 0 for sample in samples.values()]
    whole = sum(_nbytes(weight) for key, weight in weights.items() if key not in samples)
    places = {key: place for place, key in enumerate(weights)}
    segments, blank = SegmentLayout.from_sizes([weights[key].size for key in together]), RecordStatistics.empty(tuple(weights))
    return RecordingPlan(
        slots=places,
        batched=together,
        batched_slots=np.array([places[key] for key in together], np.int64),
        batched_parts={key: (segments.segment_slice(number), weights[key].shape) for number, key in enumerate(together)},
        layout=segments,
        individual=tuple(key for key in weights if key not in together),
        samples=samples,
        nbytes=whole + sum(sizes) * 8 + len(weights) * ARRAY_OVERHEAD_BYTES + blank.nbytes,
        template=blank,
    )


def _is_batched(weight: Weight) -> bool:
    return weight.dtype == "float32" and 0 < weight.size <= MAX_BATCHED_SIZE


def _choose_samples(weights: dict[str, Weight], memory: int) -> dict[str, Sample | None]:
    """Choose the weights, the largest first, that are not kept whole, and which of their elements are."""
    # Beside the values stand the statistics, of which at least four records are always there.
    room = int(memory * 0.9) - 4 * RecordStatistics.empty(tuple(weights)).nbytes
    by_size = sorted(weights.items(), key=lambda item: _nbytes(item[1]))
    # Whatever is kept whole, enough must be left for small samples of all larger ones.
    reserved = sum(_sample_cost(min(weight.size, RESERVED_SAMPLE_SIZE)) for weight in weights.values())
    for place, (_, weight) in enumerate(by_size):
        reserved -= _sample_cost(min(weight.size, RESERVED_SAMPLE_SIZE))
        cost = NUM_COPIES * (_nbytes(weight) + ARRAY_OVERHEAD_BYTES)
        if cost + reserved > room:
            return _sample_weights(by_size[place:], room)
        room -= cost
    return {}


def _sample_weights(weights: list[tuple[str, Weight]], budget: int) -> dict[str, Sample | None]:
    each = min(MAX_SAMPLE_SIZE, budget // (len(weights) * _sample_cost(1)))
    if each < MIN_SAMPLE_SIZE:
        return dict.fromkeys(key for key, _ in weights)
    return {key: choose_sample(key, weight.shape, min(each, weight.size)) for key, weight in weights}


def _sample_cost(num_elements: int) -> int:
    return num_elements * (8 + NUM_COPIES * 8)


def _nbytes(weight: Weight) -> int:
    return weight.size * item_size(weight.dtype)


def item_size(dtype: str) -> int:
    """Bytes of one element of a number type of Keras, such as "float8_e4m3fn"."""
    digits = "".join(character for character in dtype.partition("_")[0] if character.isdigit())
    return max(int(digits or 8) // 8, 1)
