"""The order of filters, and the number that each is ranked by."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from weight_explorer.catalog.schema import Catalog, LayerNode, Weight
from weight_explorer.recording.history import History
from weight_explorer.views.array_cache import ArrayCache
from weight_explorer.views.choice import Choice, MenuItem
from weight_explorer.views.filters.kernel_axes import KernelAxes, kernel_axes, stack_filters, sums_of_squares
from weight_explorer.views.reading import chosen_record, kept_records, start_record, values_at_record
from weight_explorer.views.similarity import similar_order

# Pairwise comparison of more than this takes too long during training.
MAX_COMPARED = 256

NORMALIZATION, SCALE = "BatchNormalization", "gamma"

# The most recent orders, because the same ones are requested at every update.
_order_cache: ArrayCache[np.ndarray] = ArrayCache(4)


@dataclass(frozen=True, eq=False)
class SortInput:
    """The tiles to sort: an array of shape (tiles, channels, *window), and its sums of squares.

    `indexes` selects the filters and channels of the kernel's stack that form the tiles.
    """

    weight: Weight
    history: History
    choice: Choice
    kernel: KernelAxes
    squared_norms: np.ndarray
    indexes: tuple[int, ...] = ()

    @property
    def record_number(self) -> int:
        """The number of the record on screen."""
        return chosen_record(self.weight, self.history, self.choice) or 0

    @functools.cached_property
    def relative_changes(self) -> np.ndarray | None:
        """The change of each tile since the start, relative to its norm then; None if the start is not kept, or is on screen.

        The change is infinite for a tile that was zero and no longer is.
        """
        first = start_record(self.weight, self.history, self.record_number)
        start, now = self.values(first), self.values(self.record_number)
        if start is None or now is None or first == self.record_number:
            return None
        with np.errstate(all="ignore"):
            moved, before = (np.sqrt(sums_of_squares(values).sum(axis=1)) for values in (now - start, start))
            return np.where(moved == 0, 0.0, moved / before)

    def values(self, number: int) -> np.ndarray | None:
        """Return the values of the tiles at a record, of shape (tiles, channels, *window); None if they are not kept."""
        found = values_at_record(self.weight, self.history, number)
        if found is None or found[1] is not None:
            return None
        taken = stack_filters(found[0].astype(np.float32, copy=False), self.kernel)[self.indexes]
        return taken[:, None] if self.indexes else taken


def format_size(number: float) -> str:
    """Format a size with exactly three significant digits, so that the width does not change with the number.

    >>> format_size(0.5), format_size(12.3456), format_size(float("nan"))
    ('0.500', '12.3', 'NaN')
    """
    return "NaN" if math.isnan(number) else f"{number:#.3g}".rstrip(".")


@dataclass(frozen=True, slots=True, eq=False)
class TileOrder:
    """The order of the tiles, the number beside each, its measure, a text for the caption, and a function that formats it."""

    order: np.ndarray
    numbers: np.ndarray
    measure: str
    text: str
    format_number: Callable[[float], str] = format_size


def sort_by_number(subject: SortInput) -> TileOrder:
    """Keep the order of the array."""
    numbers = np.sqrt(subject.squared_norms)
    return TileOrder(np.arange(len(numbers)), numbers, "norm", "Norm")


def sort_by_norm(subject: SortInput) -> TileOrder:
    """Sort by the L2 norm of what is on screen, largest first."""
    return _largest_first(np.sqrt(subject.squared_norms), "norm", "Sorted by norm")


def sort_by_change(subject: SortInput) -> TileOrder:
    """Sort by the size of the change since the start, relative to the norm then, largest first."""
    shares = np.zeros(len(subject.squared_norms)) if subject.relative_changes is None else subject.relative_changes
    return _largest_first(shares, "change since the start", "Sorted by change since the start", format_percent)


def sort_by_similarity(subject: SortInput) -> TileOrder:
    """Place tiles with similar directions next to each other.

    The order is that at the end of the last epoch, so that tiles do not move during an epoch.
    """
    number = _last_epoch_end(subject)
    column, values = subject.history.weight_history(subject.weight.variable_key), subject.values(number)
    recorded = column.values_at(number) if column else None
    if recorded is None or values is None:
        return sort_by_number(subject)
    rows, key = values.reshape(len(values), -1), (subject.weight.key, subject.weight.shape, subject.indexes)
    order = _order_cache.get_or_compute((recorded,), key, lambda: similar_order(rows, is_quick=True))
    return TileOrder(order, np.sqrt(subject.squared_norms), "norm", f"Alike ones side by side, as at record {number}; norm")


def sort_by_gamma(subject: SortInput) -> TileOrder:
    """Sort by the magnitude of the scale in the following batch normalization, largest first."""
    gamma = normalization_after(subject.history.catalog, subject.weight)
    values = _values_at_record(gamma, subject) if gamma else None
    if gamma is None or values is None:
        return sort_by_number(subject)
    name = f"|gamma| of {gamma.layer.rpartition('/')[2]}"
    return _largest_first(np.abs(values.astype(np.float64)), name, f"Sorted by {name}")


SORTS: dict[str, Callable[[SortInput], TileOrder]] = {
    "number": sort_by_number,
    "norm": sort_by_norm,
    "change": sort_by_change,
    "similarity": sort_by_similarity,
    "gamma": sort_by_gamma,
}


def sort_items(weight: Weight, history: History, count: int, *, of_filters: bool) -> tuple[MenuItem, ...]:
    """Return the available orders for `count` tiles: all filters, or one filter in every channel."""
    gamma = normalization_after(history.catalog, weight) if of_filters else None
    possible = {
        MenuItem("number", "number"): True,
        MenuItem("norm", "norm"): True,
        MenuItem("change", "change"): len(kept_records(weight, history)) > 1,
        MenuItem("similarity", "similarity"): 2 < count <= MAX_COMPARED,
        MenuItem("gamma", "gamma that follows"): gamma is not None,
    }
    return tuple(offer for offer, is_possible in possible.items() if is_possible) if count > 1 else ()


def format_percent(share: float) -> str:
    """Format a share as a percentage. A change from zero is infinite.

    >>> format_percent(0.1234), format_percent(float("inf"))
    ('12.3 %', '∞ %')
    """
    return "∞ %" if math.isinf(share) else "NaN" if math.isnan(share) else f"{100 * share:.3g} %"


def normalization_after(catalog: Catalog, weight: Weight) -> Weight | None:
    """Return the gamma of the batch normalization that receives the output of this kernel's layer, or None.

    If the model has no graph, such as a subclassed model, it is that of the next layer in the tree, if the number of channels
    matches.
    """
    kernel = kernel_axes(weight.axes)
    if kernel is None or weight.source_key:
        return None
    layers = [node for _, node in catalog.root.walk() if node.weights]
    here = next((i for i, node in enumerate(layers) if weight.key in node.weights), None)
    if here is None:
        return None
    told = [node for node in layers if node.preceding_layer and node.preceding_layer == layers[here].path]
    near = [node for node in layers[here + 1 : here + 2] if not node.preceding_layer]
    gammas = (_gamma(catalog, node) for node in told or near)
    return next((gamma for gamma in gammas if gamma and gamma.shape == (kernel.num_filters,)), None)


def _gamma(catalog: Catalog, node: LayerNode) -> Weight | None:
    if node.class_name != NORMALIZATION:
        return None
    return next((catalog.weights[key] for key in node.weights if catalog.weights[key].role == SCALE), None)


def _values_at_record(weight: Weight, subject: SortInput) -> np.ndarray | None:
    number = chosen_record(weight, subject.history, subject.choice)
    found = values_at_record(weight, subject.history, number) if number is not None else None
    return found[0] if found and found[1] is None else None


def _largest_first(
    numbers: np.ndarray, measure: str, text: str, format_number: Callable[[float], str] = format_size
) -> TileOrder:
    return TileOrder(np.argsort(-numbers, kind="stable"), numbers, measure, text, format_number=format_number)


def _last_epoch_end(subject: SortInput) -> int:
    """Return the last record, up to the one on screen, that ended an epoch, or the first record."""
    kept = [number for number in kept_records(subject.weight, subject.history) if number <= subject.record_number]
    steps = {step.number: step for step in subject.history.records}
    ends = (number for number in reversed(kept) if number in steps and steps[number].kind != "batch")
    return next(ends, kept[0])
