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

from weight_explorer.catalog.nodes import SEED_STATE, Catalog, LayerNode


@dataclass(frozen=True, slots=True)
class LayerStep:
    """One layer on the way from a model to a weight.

    Attributes:
        path: Its path in the tree, which no other layer there has.
        name: Its name in Keras.
        class_name: Its class.
        part: What it is to the layer that wraps it, such as "forward"; "" elsewhere.
    """

    path: str
    name: str
    class_name: str
    part: str = ""

    @property
    def identity(self) -> Hashable:
        """What tells it from its siblings beyond their order: its part, or a name that was chosen; None for neither."""
        return self.part or (self.name if self.number is None else None)

    @property
    def number(self) -> int | None:
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
    layers: tuple[LayerStep, ...]
    name: str
    role: str
    shape: tuple[int, ...]
    dtype: str
    is_optional: bool = False


class Reason(Enum):
    """Why a weight has no partner."""

    MISSING = "missing"  # there is none in its place
    SHAPE = "shape"  # the one in its place has another shape
    DTYPE = "dtype"  # the one in its place has another data type
    AMBIGUOUS = "ambiguous"  # there are several that it could be


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A weight without a partner, why, and those of the other list that came closest."""

    reason: Reason
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


def descriptions_of(catalog: Catalog) -> tuple[WeightDescription, ...]:
    """Describe the weights of a catalog, in the order of its tree."""
    steps = dict(_steps_below(catalog.root, ()))
    return tuple(
        WeightDescription(
            weight.key, steps[weight.layer], weight.name, weight.role, weight.shape, weight.dtype, weight.role == SEED_STATE
        )
        for weight in catalog.weights.values()
    )


def _steps_below(node: LayerNode, above: tuple[LayerStep, ...]) -> Iterable[tuple[str, tuple[LayerStep, ...]]]:
    yield node.path, above
    for child in node.children:
        yield from _steps_below(child, (*above, LayerStep(child.path, child.name, child.class_name, child.part)))


def align(first: Sequence[WeightDescription], second: Sequence[WeightDescription]) -> Alignment:
    """Match every weight of one list with the weight of another that has the same place, shape and data type.

    The second list may have more. Sibling layers are matched by a name that was chosen for them, wherever they stand, and
    else in their order; where more than one order fits, or the numbers in names contradict it, nothing is guessed.

    >>> def dense(name, size):
    ...     layers = (LayerStep(name, name, "Dense"),)
    ...     return WeightDescription(f"{name}/kernel", layers, "kernel", "kernel", (size, size), "float32")
    >>> dict(align([dense("dense", 4), dense("dense_1", 4)], [dense("dense_7", 4), dense("dense_8", 4)]).pairs)
    {'dense/kernel': 'dense_7/kernel', 'dense_1/kernel': 'dense_8/kernel'}
    >>> align([dense("dense", 4)], [dense("dense_7", 4), dense("dense_8", 4)]).mismatches[0].reason.name
    'AMBIGUOUS'
    """
    matcher = _Matcher()
    matcher.match(_tree_of(first), _tree_of(second))
    mismatches = matcher.mismatches or list(_crossed(matcher.layers))
    return Alignment(MappingProxyType(matcher.pairs), tuple(mismatches))


# -- the tree of layers ------------------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class _Layer:
    """A layer with its weights and the layers below it, in their order. `structure` is equal where all of that is."""

    step: LayerStep
    weights: list[WeightDescription] = field(default_factory=list)
    children: list[_Layer] = field(default_factory=list)
    structure: int = 0
    is_optional: bool = False

    @property
    def all_weights(self) -> list[WeightDescription]:
        """Its weights that are needed, and those below it."""
        own = [weight for weight in self.weights if not weight.is_optional]
        return own + [weight for child in self.children for weight in child.all_weights]


def _tree_of(weights: Sequence[WeightDescription]) -> _Layer:
    root = _Layer(LayerStep("", "", ""))
    layers: dict[tuple[LayerStep, ...], _Layer] = {(): root}
    for weight in weights:
        for depth in range(1, len(weight.layers) + 1):
            way = weight.layers[:depth]
            if way not in layers:
                layers[way] = _Layer(way[-1])
                layers[way[:-1]].children.append(layers[way])
        layers[weight.layers].weights.append(weight)
    _note_structure(root)
    return root


def _note_structure(layer: _Layer) -> None:
    for child in layer.children:
        _note_structure(child)
    own = frozenset((name, weight.shape, weight.dtype) for name, weight in _named(layer.weights).items())
    below = tuple(child.structure for child in layer.children if not child.is_optional)
    layer.structure = hash((layer.step.class_name, layer.step.part, own, below))
    layer.is_optional = not layer.all_weights


def _named(weights: Iterable[WeightDescription]) -> dict[tuple[str, int], WeightDescription]:
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
        self._known: dict[tuple[_Layer, _Layer], bool] = {}

    def match(self, first: _Layer, second: _Layer) -> None:
        """Match the weights of two layers that are one and the same, and of those below them."""
        self.layers.append((first, second))
        self._match_weights(first, second)
        needed, offered = ([child for child in each.children if not child.is_optional] for each in (first, second))
        chosen = _by_identity(needed, offered)
        taken = set(chosen.values())
        rest = [child for child in needed if child not in chosen]
        chosen |= self._in_order(rest, [child for child in offered if child not in taken])
        for one, other in chosen.items():
            self.match(one, other)
        self._match_optional(first, second)

    def _match_weights(self, first: _Layer, second: _Layer) -> None:
        for weight, other in _partners(first, second):
            reason = _difference(weight, other)
            if other is not None and reason is None:
                self.pairs[weight.key] = other.key
            elif reason is not None:
                self.mismatches.append(Mismatch(reason, weight, (other,) if other else ()))

    def _match_optional(self, first: _Layer, second: _Layer) -> None:
        """Match random states: those of the same name, and those of layers that hold nothing else where both have as many."""
        offered = {weight.name: weight for weight in second.weights if weight.is_optional}
        for weight in first.weights:
            if weight.is_optional and weight.name in offered and _difference(weight, offered[weight.name]) is None:
                self.pairs[weight.key] = offered[weight.name].key
        one, other = ([child for child in each.children if child.is_optional] for each in (first, second))
        if [child.step.class_name for child in one] == [child.step.class_name for child in other]:
            for pair in zip(one, other, strict=True):
                self._match_optional(*pair)

    def _in_order(self, needed: list[_Layer], offered: list[_Layer]) -> dict[_Layer, _Layer]:
        """Match sibling layers that no chosen name identifies: by their order where exactly one fits, else by their names."""
        orders = self._orders(needed, offered) or self._by_name(needed, offered)
        if not orders:
            self._note_misfit(needed, offered)
            return {}
        unclear = _unclear_layer(orders, offered)
        if unclear is None:
            return orders[0]
        self._note_ambiguous(unclear, offered)
        return {}

    def _orders(self, needed: list[_Layer], offered: list[_Layer]) -> list[dict[_Layer, _Layer]]:
        """Return the ways to find one list within another in the same order: none, the only one, or two of several.

        Each layer is taken as early as can be, and as late as can be: where that is the same, there is no other way.
        """
        early = self._earliest(needed, offered)
        if early is None:
            return []
        late = self._earliest(needed[::-1], offered[::-1]) or {}
        return [early] if early == late else [early, late]

    def _earliest(self, needed: list[_Layer], offered: list[_Layer]) -> dict[_Layer, _Layer] | None:
        chosen, left = {}, iter(offered)
        for layer in needed:
            found = next((other for other in left if self._fits(layer, other)), None)
            if found is None:
                return None
            chosen[layer] = found
        return chosen

    def _fits(self, first: _Layer, second: _Layer) -> bool:
        """Say whether a layer could be another one: the same class, and all its weights fit, and those below it."""
        if first.structure == second.structure:
            return True
        if (first, second) not in self._known:
            self._known[first, second] = self._fits_in_parts(first, second)
        return self._known[first, second]

    def _fits_in_parts(self, first: _Layer, second: _Layer) -> bool:
        if (first.step.class_name, first.step.part) != (second.step.class_name, second.step.part):
            return False
        trial = _Matcher()
        trial.match(first, second)
        return not trial.mismatches

    def _by_name(self, needed: list[_Layer], offered: list[_Layer]) -> list[dict[_Layer, _Layer]]:
        """Match by names alone, in whatever order; nothing where a name is missing or what it leads to does not fit."""
        named = {child.step.name: child for child in offered}
        pairs = {child: named.get(child.step.name) for child in needed}
        fitting = {one: other for one, other in pairs.items() if other is not None and self._fits(one, other)}
        return [fitting] if len(fitting) == len(needed) == len(set(fitting.values())) else []

    def _note_ambiguous(self, layer: _Layer, offered: list[_Layer]) -> None:
        able = [other for other in offered if self._fits(layer, other)]
        self.mismatches.append(_ambiguous(layer, able))

    def _note_misfit(self, needed: list[_Layer], offered: list[_Layer]) -> None:
        """Name the first layer that fits none of those that are left, compared with the one that is closest to it."""
        left = iter(offered)
        numbered = enumerate(needed)
        found = next((pair for pair in numbered if not any(self._fits(pair[1], other) for other in left)), None)
        if found is not None:
            self._note_closest(found[1], offered, found[0])

    def _note_closest(self, layer: _Layer, offered: list[_Layer], number: int) -> None:
        alike = [other for other in offered if other.step.class_name == layer.step.class_name]
        same_name = [other for other in alike if other.step.name == layer.step.name]
        at_its_place = [other for other in offered[number : number + 1] if other in alike]
        closest = next(iter(same_name + at_its_place), None)
        before = len(self.mismatches)
        if closest is not None:
            self.match(layer, closest)
        if len(self.mismatches) == before:
            self.mismatches.append(Mismatch(Reason.MISSING, layer.all_weights[0]))


def _ambiguous(layer: _Layer, others: Iterable[_Layer]) -> Mismatch:
    """Make the mismatch of a layer that could be several, with the same weight of each of them."""
    weight = layer.all_weights[0]
    found = (next((each for each in other.all_weights if each.name == weight.name), None) for other in others)
    return Mismatch(Reason.AMBIGUOUS, weight, tuple(each for each in found if each))


def _partners(first: _Layer, second: _Layer) -> Iterable[tuple[WeightDescription, WeightDescription | None]]:
    """Pair the needed weights of a layer with those of another: by attribute, or by a role that only one has on each side."""
    ours, theirs = _named(first.weights), _named(second.weights)
    roles = [{w.role: w for name, w in side.items() if name not in other} for side, other in ((ours, theirs), (theirs, ours))]
    for name, weight in ours.items():
        yield weight, theirs.get(name) or (roles[1].get(weight.role) if roles[0].get(weight.role) is weight else None)


def _difference(weight: WeightDescription, other: WeightDescription | None) -> Reason | None:
    if other is None:
        return Reason.MISSING
    if weight.shape != other.shape:
        return Reason.SHAPE
    return Reason.DTYPE if weight.dtype != other.dtype else None


def _by_identity(needed: list[_Layer], offered: list[_Layer]) -> dict[_Layer, _Layer]:
    """Pair the layers that have the same chosen name, or are the same part, where no other sibling is called so."""
    counts = [Counter(child.step.identity for child in side) for side in (needed, offered)]
    named = {child.step.identity: child for child in offered}
    return {
        child: named[name]
        for child in needed
        if (name := child.step.identity) is not None and counts[0][name] == counts[1][name] == 1
    }


def _unclear_layer(orders: list[dict[_Layer, _Layer]], offered: list[_Layer]) -> _Layer | None:
    """Return a layer of which cannot be told which other it is, None where all are clear.

    Layers that could be exchanged, since they are built alike, are clear where there is one order of them, their partners
    have it too, and no name says otherwise: neither a chosen one nor the numbers that Keras gave.
    """
    if len(orders) > 1:
        return next(layer for layer, other in orders[0].items() if orders[1][layer] is not other)
    places = {other: place for place, other in enumerate(offered)}
    groups: defaultdict[tuple[str, int], list[tuple[_Layer, _Layer]]] = defaultdict(list)
    for one, other in orders[0].items():
        groups[one.step.class_name, one.structure].append((one, other))
    unclear = (_unclear_of_group(group, places) for group in groups.values() if len(group) > 1)
    return next((layer for layer in unclear if layer is not None), None)


def _unclear_of_group(group: list[tuple[_Layer, _Layer]], places: Mapping[_Layer, int]) -> _Layer | None:
    if (renamed := next((one for one, other in group if _is_renamed(one, other)), None)) is not None:
        return renamed
    numbers = [(a, b) for one, other in group if (a := one.step.number) is not None and (b := other.step.number) is not None]
    ours, theirs = (_ranks([pair[side] for pair in numbers]) for side in (0, 1))
    in_order = _ranks([places[other] for _, other in group]) == list(range(len(group)))
    return None if ours == theirs and in_order else group[0][0]


def _is_renamed(one: _Layer, other: _Layer) -> bool:
    """Say whether both layers have a chosen name, and not the same."""
    return one.step.number is None and other.step.number is None and one.step.name != other.step.name


def _ranks(numbers: list[int]) -> list[int]:
    ordered = {number: rank for rank, number in enumerate(sorted(set(numbers)))}
    return [ordered[number] for number in numbers]


def _crossed(layers: list[tuple[_Layer, _Layer]]) -> Iterable[Mismatch]:
    """Yield the layers whose chosen name another layer has in the other tree, in another place."""
    named = {other.step.name: other for _, other in layers if other.step.number is None}
    for one, other in layers:
        if not one.step.part and _is_renamed(one, other) and one.step.name in named:
            yield _ambiguous(one, (other, named[one.step.name]))
