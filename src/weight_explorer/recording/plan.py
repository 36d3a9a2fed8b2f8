"""Decides how each weight is recorded: small weights in a batch, others individually, and too large ones as a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Catalog, Weight
from weight_explorer.recording.live_history import ARRAY_OVERHEAD_BYTES
from weight_explorer.recording.record_statistics import RecordStatistics
from weight_explorer.recording.sampling import MAX_SAMPLE_SIZE, Sample, choose_sample
from weight_explorer.recording.statistics import native
from weight_explorer.recording.statistics.batched import SegmentLayout

# Float32 weights of up to this many elements are summarized in a batch. Larger weights justify separate calls and separate
# buffers, which are reused.
MAX_BATCHED_SIZE = 1 << 17 if native.library else 1 << 11

# Smaller samples are not informative. Memory is reserved for samples of `RESERVED_SAMPLE_SIZE` elements.
MIN_SAMPLE_SIZE = 64
RESERVED_SAMPLE_SIZE = 1024

# Copies of a weight that must fit in memory: the first, the newest, and the one being recorded.
NUM_COPIES = 3


@dataclass(frozen=True, slots=True, eq=False)
class RecordingPlan:
    """How to record each weight of a catalog.

    Attributes:
        slots: All weights in the catalog's order, with the index of each in a record's arrays.
        batched: Weights that are summarized in a batch.
        batched_slots: The indices of the batched weights in a record's arrays.
        batched_parts: The slice of each batched weight in the flat array, and its shape.
        layout: The layout of the batched weights in the flat array.
        individual: All other weights.
        samples: The sampled elements of each weight that is kept as a sample; None if not even a sample fits.
        nbytes: Bytes that one record keeps.
        template: Empty statistics of all weights.
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
        """Whether values of this weight are kept, including samples."""
        return self.samples.get(key, ...) is not None


def make_plan(catalog: Catalog, memory: int) -> RecordingPlan:
    """Plan how to record a catalog within a memory limit, in bytes."""
    # Complex numbers are skipped: they have no minimum, no sign and no histogram.
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
    """Choose the weights that are kept as a sample, largest first, and their sampled elements."""
    # Statistics share the memory with the values: those of at least four records are always kept.
    room = int(memory * 0.9) - 4 * RecordStatistics.empty(tuple(weights)).nbytes
    by_size = sorted(weights.items(), key=lambda item: _nbytes(item[1]))
    # Weights may only be kept whole if enough memory remains for small samples of all larger weights.
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
    """Bytes of one element of a Keras dtype, such as "float8_e4m3fn"."""
    digits = "".join(character for character in dtype.partition("_")[0] if character.isdigit())
    return max(int(digits or 8) // 8, 1)
