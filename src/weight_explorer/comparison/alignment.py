"""Find which weight of one model is which of another: the same model reloaded, cloned, or built again.

Keras gives the variables of a reloaded model other paths, and renumbers layers without a name of their own (`dense_3` for
`dense`). So weights are matched by their place: the layers above them, the order among sibling layers of the same class, and
the attribute that holds them. Names that the user chose identify a layer; names that Keras made up only tell an order.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from weight_explorer.catalog.schema import SEED_STATE, Catalog, LayerNode


@dataclass(frozen=True, slots=True)
class LayerRef:
    """One layer on the way from a model to a weight.

    Attributes:
        path: Its path in the tree, which no other layer there has.
        name: Its name in Keras.
        class_name: Its class.
        parent_role: What it is to the layer that wraps it, such as "forward"; "" elsewhere.
    """

    path: str
    name: str
    class_name: str
    parent_role: str = ""

    @property
    def stable_id(self) -> Hashable:
        """What tells it from its siblings beyond their order: its part, or a name that was chosen; None for neither."""
        return self.parent_role or (self.name if self.auto_name_number is None else None)

    @property
    def auto_name_number(self) -> int | None:
        """The number in a name that Keras made up from the class: 0 of `dense`, 3 of `dense_3`; None of a chosen name."""
        found = re.fullmatch(rf"{re.escape(_snake_case(self.class_name))}(?:_(\d+))?", self.name)
        return int(found[1] or 0) if found else None


def _snake_case(name: str) -> str:
    """Write the name of a class as Keras does in the names of layers.

    >>> _snake_case("BatchNormalization"), _snake_case("Conv2D"), _snake_case("LSTM")
    ('batch_normalization', 'conv2d', 'lstm')
    """
    name = re.sub(r"\W+", "", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


@dataclass(frozen=True, slots=True)
class WeightDescription:
    """What is known of a weight without its values.

    Attributes:
        key: Its key, unique in its list.
        layers: The layers from the model to the one that holds it, the model left out.
        name: The attribute that holds it.
        role: What it is to its layer, such as "kernel".
        shape: Its shape.
        dtype: Its data type.
        is_optional: Whether a model is the same without it, as it is without the random states of its dropout layers.
    """

    key: str
    layers: tuple[LayerRef, ...]
    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    is_optional: bool = False


class MismatchReason(Enum):
    """Why a weight has no partner."""

    MISSING = "missing"  # there is none in its place
    SHAPE = "shape"  # the one in its place has another shape
    DTYPE = "dtype"  # the one in its place has another data type
    AMBIGUOUS = "ambiguous"  # there are several that it could be


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A weight without a partner, why, and those of the other list that came closest."""

    reason: MismatchReason
    weight: WeightDescription
    candidates: tuple[WeightDescription, ...] = ()


@dataclass(frozen=True, slots=True)
class Alignment:
    """What `align` found.

    Attributes:
        pairs: From the keys of the first list to those of the second.
        mismatches: The weights of the first list that are needed and have no partner; no pair counts where there are some.
    """

    pairs: Mapping[str, str]
    mismatches: tuple[Mismatch, ...] = ()


def describe_weights(catalog: Catalog) -> tuple[WeightDescription, ...]:
    """Describe the weights of a catalog, in the order of its tree."""
    steps = dict(_walk_layers(catalog.root, ()))
    return tuple(
        WeightDescription(
            weight.key, steps[weight.layer], weight.name, weight.role, weight.shape, weight.dtype, weight.role == SEED_STATE
        )
        for weight in catalog.weights.values()
    )


def _walk_layers(node: LayerNode, above: tuple[LayerRef, ...]) -> Iterable[tuple[str, tuple[LayerRef, ...]]]:
    yield node.path, above
    for child in node.children:
        yield from _walk_layers(child, (*above, LayerRef(child.path, child.name, child.class_name, child.parent_role)))


def align(first: Sequence[WeightDescription], second: Sequence[WeightDescription]) -> Alignment:
    """Match every weight of one list with the weight of another that has the same place, shape and data type.

    The second list may have more. Sibling layers are matched by a name that was chosen for them, wherever they stand, and
    else in their order; where more than one order fits, or the numbers in names contradict it, nothing is guessed.

    >>> def dense(name, size):
    ...     layers = (LayerRef(name, name, "Dense"),)
    ...     return WeightDescription(f"{name}/kernel", layers, "kernel", "kernel", (size, size), "float32")
    >>> dict(align([dense("dense", 4), dense("dense_1", 4)], [dense("dense_7", 4), dense("dense_8", 4)]).pairs)
    {'dense/kernel': 'dense_7/kernel', 'dense_1/kernel': 'dense_8/kernel'}
    >>> align([dense("dense", 4)], [dense("dense_7", 4), dense("dense_8", 4)]).mismatches[0].reason.name
    'AMBIGUOUS'
    """
    matcher = _Matcher()
    matcher.match(_build_tree(first), _build_tree(second))
    mismatches = matcher.mismatches or list(_swapped_layers(matcher.layers))
    return Alignment(MappingProxyType(matcher.pairs), tuple(mismatches))


# -- the tree of layers ------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Layer:
    """A layer with its weights and the layers below it, in their order. `structure_hash` is equal where all of that is."""

    ref: LayerRef
    weights: list[WeightDescription] = field(default_factory=list)
    children: list[_Layer] = field(default_factory=list)
    structure_hash: int = 0
    is_optional: bool = False

    @property
    def all_weights(self) -> list[WeightDescription]:
        """Its weights that are needed, and those below it."""
        own = [weight for weight in self.weights if not weight.is_optional]
        return own + [weight for child in self.children for weight in child.all_weights]


def _build_tree(weights: Sequence[WeightDescription]) -> _Layer:
    root = _Layer(LayerRef("", "", ""))
    layers: dict[tuple[LayerRef, ...], _Layer] = {(): root}
    for weight in weights:
        for depth in range(1, len(weight.layers) + 1):
            way = weight.layers[:depth]
            if way not in layers:
                layers[way] = _Layer(way[-1])
                layers[way[:-1]].children.append(layers[way])
        layers[weight.layers].weights.append(weight)
    _set_structure_hash(root)
    return root


def _set_structure_hash(layer: _Layer) -> None:
    for child in layer.children:
        _set_structure_hash(child)
    own = frozenset((name, weight.shape, weight.dtype) for name, weight in _weights_by_name(layer.weights).items())
    below = tuple(child.structure_hash for child in layer.children if not child.is_optional)
    layer.structure_hash = hash((layer.ref.class_name, layer.ref.parent_role, own, below))
    layer.is_optional = not layer.all_weights


def _weights_by_name(weights: Iterable[WeightDescription]) -> dict[tuple[str, int], WeightDescription]:
    """Return the needed weights of one layer by their names, and how many before have the same."""
    seen: Counter[str] = Counter()
    named = {}
    for weight in weights:
        if not weight.is_optional:
            named[weight.name, seen[weight.name]] = weight
            seen[weight.name] += 1
    return named


# -- matching ----------------------------------------------------------------------------------------------------------


class _Matcher:
    """Matches two trees from the top, and notes pairs and mismatches."""

    def __init__(self) -> None:
        self.pairs: dict[str, str] = {}
        self.mismatches: list[Mismatch] = []
        self.layers: list[tuple[_Layer, _Layer]] = []
        self._fits_cache: dict[tuple[_Layer, _Layer], bool] = {}

    def match(self, first: _Layer, second: _Layer) -> None:
        """Match the weights of two layers that are one and the same, and of those below them."""
        self.layers.append((first, second))
        self._match_weights(first, second)
        needed, offered = ([child for child in each.children if not child.is_optional] for each in (first, second))
        chosen = _match_by_stable_id(needed, offered)
        taken = set(chosen.values())
        rest = [child for child in needed if child not in chosen]
        chosen |= self._match_in_order(rest, [child for child in offered if child not in taken])
        for one, other in chosen.items():
            self.match(one, other)
        self._match_optional(first, second)

    def _match_weights(self, first: _Layer, second: _Layer) -> None:
        for weight, other in _pair_weights(first, second):
            reason = _mismatch_reason(weight, other)
            if other is not None and reason is None:
                self.pairs[weight.key] = other.key
            elif reason is not None:
                self.mismatches.append(Mismatch(reason, weight, (other,) if other else ()))

    def _match_optional(self, first: _Layer, second: _Layer) -> None:
        """Match random states: those of the same name, and those of layers that hold nothing else where both have as many."""
        offered = {weight.name: weight for weight in second.weights if weight.is_optional}
        for weight in first.weights:
            if weight.is_optional and weight.name in offered and _mismatch_reason(weight, offered[weight.name]) is None:
                self.pairs[weight.key] = offered[weight.name].key
        one, other = ([child for child in each.children if child.is_optional] for each in (first, second))
        if [child.ref.class_name for child in one] == [child.ref.class_name for child in other]:
            for pair in zip(one, other, strict=True):
                self._match_optional(*pair)

    def _match_in_order(self, required: list[_Layer], candidates: list[_Layer]) -> dict[_Layer, _Layer]:
        """Match sibling layers that no chosen name identifies: by their order where exactly one fits, else by their names."""
        orders = self._valid_orders(required, candidates) or self._match_by_name(required, candidates)
        if not orders:
            self._add_mismatch(required, candidates)
            return {}
        unclear = _ambiguous_layer(orders, candidates)
        if unclear is None:
            return orders[0]
        self._add_ambiguous(unclear, candidates)
        return {}

    def _valid_orders(self, required: list[_Layer], candidates: list[_Layer]) -> list[dict[_Layer, _Layer]]:
        """Return the ways to find one list within another in the same order: none, the only one, or two of several.

        Each layer is taken as early as can be, and as late as can be: where that is the same, there is no other way.
        """
        early = self._earliest(required, candidates)
        if early is None:
            return []
        late = self._earliest(required[::-1], candidates[::-1]) or {}
        return [early] if early == late else [early, late]

    def _earliest(self, required: list[_Layer], candidates: list[_Layer]) -> dict[_Layer, _Layer] | None:
        chosen, left = {}, iter(candidates)
        for layer in required:
            found = next((other for other in left if self._fits(layer, other)), None)
            if found is None:
                return None
            chosen[layer] = found
        return chosen

    def _fits(self, first: _Layer, second: _Layer) -> bool:
        """Say whether a layer could be another one: the same class, and all its weights fit, and those below it."""
        if first.structure_hash == second.structure_hash:
            return True
        if (first, second) not in self._fits_cache:
            self._fits_cache[first, second] = self._fits_recursively(first, second)
        return self._fits_cache[first, second]

    def _fits_recursively(self, first: _Layer, second: _Layer) -> bool:
        if (first.ref.class_name, first.ref.parent_role) != (second.ref.class_name, second.ref.parent_role):
            return False
        trial = _Matcher()
        trial.match(first, second)
        return not trial.mismatches

    def _match_by_name(self, required: list[_Layer], candidates: list[_Layer]) -> list[dict[_Layer, _Layer]]:
        """Match by names alone, in whatever order; nothing where a name is missing or what it leads to does not fit."""
        named = {child.ref.name: child for child in candidates}
        pairs = {child: named.get(child.ref.name) for child in required}
        fitting = {one: other for one, other in pairs.items() if other is not None and self._fits(one, other)}
        return [fitting] if len(fitting) == len(required) == len(set(fitting.values())) else []

    def _add_ambiguous(self, layer: _Layer, candidates: list[_Layer]) -> None:
        able = [other for other in candidates if self._fits(layer, other)]
        self.mismatches.append(_ambiguous_mismatch(layer, able))

    def _add_mismatch(self, required: list[_Layer], candidates: list[_Layer]) -> None:
        """Name the first layer that fits none of those that are left, compared with the one that is closest to it."""
        left = iter(candidates)
        numbered = enumerate(required)
        found = next((pair for pair in numbered if not any(self._fits(pair[1], other) for other in left)), None)
        if found is not None:
            self._add_closest_mismatch(found[1], candidates, found[0])

    def _add_closest_mismatch(self, layer: _Layer, candidates: list[_Layer], index: int) -> None:
        alike = [other for other in candidates if other.ref.class_name == layer.ref.class_name]
        same_name = [other for other in alike if other.ref.name == layer.ref.name]
        at_its_place = [other for other in candidates[index : index + 1] if other in alike]
        closest = next(iter(same_name + at_its_place), None)
        before = len(self.mismatches)
        if closest is not None:
            self.match(layer, closest)
        if len(self.mismatches) == before:
            self.mismatches.append(Mismatch(MismatchReason.MISSING, layer.all_weights[0]))


def _ambiguous_mismatch(layer: _Layer, others: Iterable[_Layer]) -> Mismatch:
    """Make the mismatch of a layer that could be several, with the same weight of each of them."""
    weight = layer.all_weights[0]
    found = (next((each for each in other.all_weights if each.name == weight.name), None) for other in others)
    return Mismatch(MismatchReason.AMBIGUOUS, weight, tuple(each for each in found if each))


def _pair_weights(first: _Layer, second: _Layer) -> Iterable[tuple[WeightDescription, WeightDescription | None]]:
    """Pair the needed weights of a layer with those of another: by attribute, or by a role that only one has on each side."""
    ours, theirs = _weights_by_name(first.weights), _weights_by_name(second.weights)
    roles = [{w.role: w for name, w in side.items() if name not in other} for side, other in ((ours, theirs), (theirs, ours))]
    for name, weight in ours.items():
        yield weight, theirs.get(name) or (roles[1].get(weight.role) if roles[0].get(weight.role) is weight else None)


def _mismatch_reason(weight: WeightDescription, other: WeightDescription | None) -> MismatchReason | None:
    if other is None:
        return MismatchReason.MISSING
    if weight.shape != other.shape:
        return MismatchReason.SHAPE
    return MismatchReason.DTYPE if weight.dtype != other.dtype else None


def _match_by_stable_id(required: list[_Layer], candidates: list[_Layer]) -> dict[_Layer, _Layer]:
    """Pair the layers that have the same chosen name, or are the same part, where no other sibling is called so."""
    counts = [Counter(child.ref.stable_id for child in side) for side in (required, candidates)]
    named = {child.ref.stable_id: child for child in candidates}
    return {
        child: named[name]
        for child in required
        if (name := child.ref.stable_id) is not None and counts[0][name] == counts[1][name] == 1
    }


def _ambiguous_layer(orders: list[dict[_Layer, _Layer]], candidates: list[_Layer]) -> _Layer | None:
    """Return a layer of which cannot be told which other it is, None where all are clear.

    Layers that could be exchanged, since they are built alike, are clear where there is one order of them, their partners
    have it too, and no name says otherwise: neither a chosen one nor the numbers that Keras gave.
    """
    if len(orders) > 1:
        return next(layer for layer, other in orders[0].items() if orders[1][layer] is not other)
    places = {other: place for place, other in enumerate(candidates)}
    groups: defaultdict[tuple[str, int], list[tuple[_Layer, _Layer]]] = defaultdict(list)
    for one, other in orders[0].items():
        groups[one.ref.class_name, one.structure_hash].append((one, other))
    unclear = (_ambiguous_in_group(group, places) for group in groups.values() if len(group) > 1)
    return next((layer for layer in unclear if layer is not None), None)


def _ambiguous_in_group(group: list[tuple[_Layer, _Layer]], positions: Mapping[_Layer, int]) -> _Layer | None:
    if (renamed := next((one for one, other in group if _is_renamed(one, other)), None)) is not None:
        return renamed
    numbers = [
        (a, b)
        for one, other in group
        if (a := one.ref.auto_name_number) is not None and (b := other.ref.auto_name_number) is not None
    ]
    ours, theirs = (_ranks([pair[side] for pair in numbers]) for side in (0, 1))
    in_order = _ranks([positions[other] for _, other in group]) == list(range(len(group)))
    return None if ours == theirs and in_order else group[0][0]


def _is_renamed(one: _Layer, other: _Layer) -> bool:
    """Say whether both layers have a chosen name, and not the same."""
    return one.ref.auto_name_number is None and other.ref.auto_name_number is None and one.ref.name != other.ref.name


def _ranks(numbers: list[int]) -> list[int]:
    ordered = {number: rank for rank, number in enumerate(sorted(set(numbers)))}
    return [ordered[number] for number in numbers]


def _swapped_layers(layers: list[tuple[_Layer, _Layer]]) -> Iterable[Mismatch]:
    """Yield the layers whose chosen name another layer has in the other tree, in another place."""
    named = {other.ref.name: other for _, other in layers if other.ref.auto_name_number is None}
    for one, other in layers:
        if not one.ref.parent_role and _is_renamed(one, other) and one.ref.name in named:
            yield _ambiguous_mismatch(one, (other, named[one.ref.name]))
