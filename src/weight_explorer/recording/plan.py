"""How each weight is recorded: many small ones at once, others one by one, and what does not fit the memory as a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Catalog, Weight
from weight_explorer.recording import compiled
from weight_explorer.recording.history import ARRAY_BYTES
from weight_explorer.recording.sampling import MOST_ELEMENTS, Sample, sample_of
from weight_explorer.recording.segments import Segments
from weight_explorer.recording.sheets import Sheet

# Float32 weights of up to so many elements are summarized together: from there on a weight is worth calls of its own, and
# buffers of its own, which are used again.
MOST_TOGETHER = 1 << 17 if compiled.passes else 1 << 11

# A sample of fewer elements says nothing worth saying; for one of this size room is set aside.
FEWEST_ELEMENTS = 64
SMALL_SAMPLE = 1024

# Copies of a weight that must fit: the first, the newest, and the one being made.
COPIES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What is to be done with each weight of a catalog.

    Attributes:
        places: All weights, in the catalog's order, and where each stands in a record's arrays.
        together: Those that are summarized together, laid out as `segments`; `together_places`, where they stand in a record's
            arrays; and `parts`, the slice of each in the flat array, and its shape.
        alone: The others.
        samples: Of those that are kept as a sample, which elements; None where not even a sample fits.
        nbytes: What one record keeps.
        blank: A sheet that says nothing yet of all of them.
    """

    places: dict[str, int]
    together: tuple[str, ...]
    together_places: np.ndarray
    parts: dict[str, tuple[slice, tuple[int, ...]]]
    segments: Segments
    alone: tuple[str, ...]
    samples: dict[str, Sample | None]
    nbytes: int
    blank: Sheet

    def keeps(self, key: str) -> bool:
        """Whether values of this weight are kept, if only a sample."""
        return self.samples.get(key, ...) is not None


def plan_for(catalog: Catalog, memory: int) -> Plan:
    """Plan how to record a catalog within a bound on memory, in bytes."""
    # Complex numbers have no minimum, no sign and no histogram.
    weights = {key: catalog.weights[key] for key in catalog.variables if not catalog.weights[key].dtype.startswith("complex")}
    samples = _samples(weights, memory)
    together = tuple(key for key, weight in weights.items() if key not in samples and _is_small(weight))
    sizes = [sample.indexes.size if sample else 0 for sample in samples.values()]
    whole = sum(_nbytes(weight) for key, weight in weights.items() if key not in samples)
    places = {key: place for place, key in enumerate(weights)}
    segments, blank = Segments.of([weights[key].size for key in together]), Sheet.empty(tuple(weights))
    return Plan(
        places=places,
        together=together,
        together_places=np.array([places[key] for key in together], np.int64),
        parts={key: (segments.part(number), weights[key].shape) for number, key in enumerate(together)},
        segments=segments,
        alone=tuple(key for key in weights if key not in together),
        samples=samples,
        nbytes=whole + sum(sizes) * 8 + len(weights) * ARRAY_BYTES + blank.nbytes,
        blank=blank,
    )


def _is_small(weight: Weight) -> bool:
    return weight.dtype == "float32" and 0 < weight.size <= MOST_TOGETHER


def _samples(weights: dict[str, Weight], memory: int) -> dict[str, Sample | None]:
    """Choose the weights, the largest first, that are not kept whole, and which of their elements are."""
    # Beside the values stand the statistics, of which at least four records are always there.
    room = int(memory * 0.9) - 4 * Sheet.empty(tuple(weights)).nbytes
    by_size = sorted(weights.items(), key=lambda item: _nbytes(item[1]))
    # Whatever is kept whole, enough must be left for small samples of all larger ones.
    reserved = sum(_sample_cost(min(weight.size, SMALL_SAMPLE)) for weight in weights.values())
    for place, (_, weight) in enumerate(by_size):
        reserved -= _sample_cost(min(weight.size, SMALL_SAMPLE))
        cost = COPIES * (_nbytes(weight) + ARRAY_BYTES)
        if cost + reserved > room:
            return _sampled(by_size[place:], room)
        room -= cost
    return {}


def _sampled(weights: list[tuple[str, Weight]], room: int) -> dict[str, Sample | None]:
    each = min(MOST_ELEMENTS, room // (len(weights) * _sample_cost(1)))
    if each < FEWEST_ELEMENTS:
        return dict.fromkeys(key for key, _ in weights)
    return {key: sample_of(key, weight.shape, min(each, weight.size)) for key, weight in weights}


def _sample_cost(elements: int) -> int:
    return elements * (8 + COPIES * 8)


def _nbytes(weight: Weight) -> int:
    return weight.size * item_size(weight.dtype)


def item_size(dtype: str) -> int:
    """Bytes of one element of a number type of Keras, such as "float8_e4m3fn"."""
    digits = "".join(character for character in dtype.partition("_")[0] if character.isdigit())
    return max(int(digits or 8) // 8, 1)
