"""In which order filters are shown, and the number that each is ranked by."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.nodes import Catalog, LayerNode, Weight
from weight_explorer.recording.past import Past
from weight_explorer.views.choice import Choice, Offer
from weight_explorer.views.reading import chosen_step, kept_steps, start_step, value_of
from weight_explorer.views.remembered import Remembered
from weight_explorer.views.similarity import similar_order
from weight_explorer.views.windows import KernelAxes, kernel_axes, squares, stacked

# More than this take too long to compare each with each while a training runs.
MOST_COMPARED = 256

NORMALIZATION, SCALE = "BatchNormalization", "gamma"

# The last few, since the same are asked for at every update.
_orders: Remembered[np.ndarray] = Remembered(4)


@dataclass(frozen=True, eq=False)
class Subject:
    """What is to be sorted: tiles of a kernel, as an array of shape (tiles, channels, *window), and its sums of squares.

    `taken` are the filters and channels of the kernel's stack that they are.
    """

    weight: Weight
    history: Past
    choice: Choice
    kernel: KernelAxes
    sizes: np.ndarray
    taken: tuple[int, ...] = ()

    @property
    def step(self) -> int:
        """Number of the record on screen."""
        return chosen_step(self.weight, self.history, self.choice) or 0

    @functools.cached_property
    def changes(self) -> np.ndarray | None:
        """How far each tile moved since the start, as a share of its norm then; None where that is not kept, or is shown.

        One that was zero and is not any more has moved infinitely far.
        """
        first = start_step(self.weight, self.history, self.step)
        start, now = self.values(first), self.values(self.step)
        if start is None or now is None or first == self.step:
            return None
        with np.errstate(all="ignore"):
            moved, before = (np.sqrt(squares(values).sum(axis=1)) for values in (now - start, start))
            return np.where(moved == 0, 0.0, moved / before)

    def values(self, number: int) -> np.ndarray | None:
        """Return the tiles' values at a record, of shape (tiles, channels, *window), None where they are not kept."""
        found = value_of(self.weight, self.history, number)
        if found is None or found[1] is not None:
            return None
        taken = stacked(found[0].astype(np.float32, copy=False), self.kernel)[self.taken]
        return taken[:, None] if self.taken else taken


def size(number: float) -> str:
    """Write a size with three digits that count, always as many, so that they stand still while it changes.

    >>> size(0.5), size(12.3456), size(float("nan"))
    ('0.500', '12.3', 'NaN')
    """
    return "NaN" if math.isnan(number) else f"{number:#.3g}".rstrip(".")


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The order of the tiles, the number that stands beside each, how that is called, in words for a caption, and written."""

    order: np.ndarray
    numbers: np.ndarray
    measure: str
    words: str
    write: Callable[[float], str] = size


def by_number(subject: Subject) -> Ranking:
    """Keep the order of the array."""
    numbers = np.sqrt(subject.sizes)
    return Ranking(np.arange(len(numbers)), numbers, "norm", "Norm")


def by_norm(subject: Subject) -> Ranking:
    """Sort by the L2 norm of what is on screen, the largest first."""
    return _descending(np.sqrt(subject.sizes), "norm", "Sorted by norm")


def by_change(subject: Subject) -> Ranking:
    """Sort by the size of the change since the start, as a share of the norm then, the largest first."""
    shares = np.zeros(len(subject.sizes)) if subject.changes is None else subject.changes
    return _descending(shares, "change since the start", "Sorted by change since the start", percent)


def by_similarity(subject: Subject) -> Ranking:
    """Put alike ones next to each other, by their directions.

    It is the order of the last end of an epoch, so that tiles keep their places while an epoch is on.
    """
    number = _settled_step(subject)
    column, values = subject.history.column(subject.weight.whole), subject.values(number)
    recorded = column.value(number) if column else None
    if recorded is None or values is None:
        return by_number(subject)
    rows, key = values.reshape(len(values), -1), (subject.weight.key, subject.weight.shape, subject.taken)
    order = _orders.of((recorded,), key, lambda: similar_order(rows, is_quick=True))
    return Ranking(order, np.sqrt(subject.sizes), "norm", f"Alike ones side by side, as at record {number}; norm")


def by_gamma(subject: Subject) -> Ranking:
    """Sort by the size of the scale that the following batch normalization gives each channel, the largest first."""
    gamma = normalization_after(subject.history.catalog, subject.weight)
    values = _value_at(gamma, subject) if gamma else None
    if gamma is None or values is None:
        return by_number(subject)
    name = f"|gamma| of {gamma.layer.rpartition('/')[2]}"
    return _descending(np.abs(values.astype(np.float64)), name, f"Sorted by {name}")


SORTS: dict[str, Callable[[Subject], Ranking]] = {
    "number": by_number,
    "norm": by_norm,
    "change": by_change,
    "similarity": by_similarity,
    "gamma": by_gamma,
}


def sort_offers(weight: Weight, history: Past, count: int, *, of_filters: bool) -> tuple[Offer, ...]:
    """Return the orders that there are of so many tiles, be they all filters, or one of them in every channel."""
    gamma = normalization_after(history.catalog, weight) if of_filters else None
    possible = {
        Offer("number", "number"): True,
        Offer("norm", "norm"): True,
        Offer("change", "change"): len(kept_steps(weight, history)) > 1,
        Offer("similarity", "similarity"): 2 < count <= MOST_COMPARED,
        Offer("gamma", "gamma that follows"): gamma is not None,
    }
    return tuple(offer for offer, is_possible in possible.items() if is_possible) if count > 1 else ()


def percent(share: float) -> str:
    """Write a share in percent, one of nothing as infinite.

    >>> percent(0.1234), percent(float("inf"))
    ('12.3 %', '∞ %')
    """
    return "∞ %" if math.isinf(share) else "NaN" if math.isnan(share) else f"{100 * share:.3g} %"


def normalization_after(catalog: Catalog, weight: Weight) -> Weight | None:
    """Return the gamma of the batch normalization that takes what this kernel's layer puts out, or None.

    Where the model has no graph, as one that is written as a class, it is the one that comes next in the tree, with as many
    channels.
    """
    kernel = kernel_axes(weight.axes)
    if kernel is None or weight.source:
        return None
    layers = [node for _, node in catalog.root.walk() if node.weights]
    here = next((i for i, node in enumerate(layers) if weight.key in node.weights), None)
    if here is None:
        return None
    told = [node for node in layers if node.after and node.after == layers[here].path]
    near = [node for node in layers[here + 1 : here + 2] if not node.after]
    gammas = (_gamma(catalog, node) for node in told or near)
    return next((gamma for gamma in gammas if gamma and gamma.shape == (kernel.num_filters,)), None)


def _gamma(catalog: Catalog, node: LayerNode) -> Weight | None:
    if node.class_name != NORMALIZATION:
        return None
    return next((catalog.weights[key] for key in node.weights if catalog.weights[key].role == SCALE), None)


def _value_at(weight: Weight, subject: Subject) -> np.ndarray | None:
    number = chosen_step(weight, subject.history, subject.choice)
    found = value_of(weight, subject.history, number) if number is not None else None
    return found[0] if found and found[1] is None else None


def _descending(numbers: np.ndarray, measure: str, words: str, write: Callable[[float], str] = size) -> Ranking:
    return Ranking(np.argsort(-numbers, kind="stable"), numbers, measure, words, write=write)


def _settled_step(subject: Subject) -> int:
    """Return the last record up to the one on screen that was made at the end of an epoch, or the first one."""
    kept = [number for number in kept_steps(subject.weight, subject.history) if number <= subject.step]
    steps = {step.number: step for step in subject.history.records}
    ends = (number for number in reversed(kept) if number in steps and steps[number].kind != "batch")
    return next(ends, kept[0])
