"""Names for the entries of axes, as the user gives them: a vocabulary, feature names, class names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from weight_explorer.catalog.names import find_layer, layers_called, refusal
from weight_explorer.catalog.nodes import Axis, Catalog, Weight

Given = Mapping[str | tuple[str, str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Labels:
    """Names of the entries of one axis, or of several that mean the same.

    `place` is a layer's name or path, a weight's key or the name of an axis; `axis` the name of an axis there, or None for
    the one that has as many entries.
    """

    place: str
    axis: str | None
    names: tuple[str, ...]

    @property
    def words(self) -> str:
        """How it was given."""
        return f"labels[{self.place!r}]" if self.axis is None else f"labels[{(self.place, self.axis)!r}]"


def check_labels(given: Given | None) -> tuple[Labels, ...]:
    """Check what needs no model: that places are text and labels are several.

    Raises:
        TypeError: `given` is no mapping from places to sequences of names.

    >>> check_labels({("embed", "input_dim"): ["the", "a"]})
    (Labels(place='embed', axis='input_dim', names=('the', 'a')),)
    """
    if given is not None and not isinstance(given, Mapping):
        raise TypeError(
            f"labels must be a dict such as {{('embedding', 'input_dim'): vocabulary}}, not {type(given).__name__}."
        )
    return tuple(_checked(place, names) for place, names in (given or {}).items())


def _checked(place: object, names: object) -> Labels:
    where, axis = place if isinstance(place, tuple) and len(place) == 2 else (place, None)
    if not isinstance(where, str) or not isinstance(axis, (str, type(None))):
        raise TypeError(f"A key of labels is a layer, a weight's key or an axis, or (layer or key, axis), not {place!r}.")
    if isinstance(names, (str, bytes, Set, Mapping)) or not isinstance(names, Iterable):
        raise TypeError(
            f"labels[{place!r}] must be a sequence with one name for each entry, in their order, not {names!r:.60}."
        )
    listed = list(names)
    odd = next((name for name in listed if not isinstance(name, (str, int, float, np.generic))), None)
    if odd is not None or None in listed:
        raise TypeError(f"labels[{place!r}] must hold names or numbers, and one of them is {odd!r:.60}.")
    return Labels(where, axis, tuple(str(name) for name in listed))


def with_labels(catalog: Catalog, labels: Iterable[Labels]) -> tuple[Catalog, list[ValueError]]:
    """Return the catalog with the entries of axes named, and an error for each of the labels that do not fit.

    What is for a layer that is not built yet waits until it is.
    """
    weights = dict(catalog.weights)
    errors = []
    for each in labels:
        try:
            targets = _targets(catalog, each)
        except ValueError as error:
            errors.append(error)
            continue
        for key, number in targets:
            weights[key] = _named(weights[key], number, each.names)
    return replace(catalog, weights=MappingProxyType(weights)), errors


def with_labels_of(catalog: Catalog, other: Catalog) -> Catalog:
    """Return the catalog with the names of entries that another has under the same keys, where the axes are as long."""
    weights = dict(catalog.weights)
    for key, theirs in other.weights.items():
        ours = weights.get(key)
        for number, axis in enumerate(theirs.axes if ours is not None and ours.shape == theirs.shape else ()):
            weights[key] = _named(weights[key], number, axis.labels) if axis.labels else weights[key]
    return replace(catalog, weights=MappingProxyType(weights))


def _targets(catalog: Catalog, labels: Labels) -> list[tuple[str, int]]:
    """Find the key and the number of each axis that labels are for."""
    place, axis = labels.place, labels.axis
    weights = _weights_at(catalog, place)
    if weights is None and axis is None:  # an axis named alone is that of the one layer that has it
        axis, weights = place, [weight for weight in catalog.weights.values() if place in _axis_names([weight])]
    if not weights:
        if _may_come(catalog, place):
            return []
        raise ValueError(f"{labels.words}: {_no_place(catalog, place)}")
    name = _axis_name(weights, labels) if axis is None else axis
    found = [(weight, number) for weight in weights for number, each in enumerate(weight.axes) if each.name == name]
    if not found:
        raise ValueError(f"{labels.words}: {refusal('axis', name, _axis_names(weights))}")
    _check_owner(catalog, [weight for weight, _ in found], name, labels)
    for weight, number in found:
        _check_length(weight, weight.axes[number], labels)
    return [(weight.key, number) for weight, number in found]


def _check_owner(catalog: Catalog, weights: list[Weight], axis: str, labels: Labels) -> None:
    """Refuse an axis that several layers have: what comes into one need not be what comes into the next."""
    owners: dict[str, Weight] = {}
    for weight in weights:
        owners.setdefault(_owner(catalog, weight, axis), weight)
    if len(owners) > 1:
        pairs = " or ".join(f"({weight.layer!r}, {axis!r})" for weight in list(owners.values())[:4])
        raise ValueError(
            f"{labels.words}: {len(owners)} layers there have an axis {axis!r}. Say of which: labels={{{pairs}: ...}}."
        )


def _owner(catalog: Catalog, weight: Weight, axis: str) -> str:
    """Return the path of the layer an axis belongs to: both directions read one input, all projections have the same heads."""
    kinds = {"direction", "projection"} if axis == "heads" else {"direction"}
    steps = weight.layer.split("/")
    paths = ["/".join(steps[: i + 1]) for i in range(len(steps))]
    return "/".join(step for step, path in zip(steps, paths, strict=True) if catalog.nodes[path].part_kind not in kinds)


def _weights_at(catalog: Catalog, place: str) -> list[Weight] | None:
    """Return the weight of this key, or those of a layer and below it; None where there is neither."""
    if place in catalog.weights:
        return [catalog.weights[place]]
    if not layers_called(catalog, place):
        return None
    keys = dict.fromkeys(key for _, node in find_layer(catalog, place).walk() for key in node.weights)
    return [catalog.weights[key] for key in keys]


def _may_come(catalog: Catalog, place: str) -> bool:
    """Say whether something of this name may still be built."""
    return not catalog.root.built or any(not below.built for node in layers_called(catalog, place) for _, below in node.walk())


def _no_place(catalog: Catalog, place: str) -> str:
    if layers_called(catalog, place):
        return f"layer {place!r} holds no weights whose entries could be named."
    names = [node.name for node in catalog.nodes.values()]
    return refusal("layer, weight or axis", place, [*names, *catalog.weights, *_axis_names(catalog.weights.values())])


def _axis_names(weights: Iterable[Weight]) -> list[str]:
    return list(dict.fromkeys(axis.name for weight in weights for axis in weight.axes))


def _axis_name(weights: list[Weight], labels: Labels) -> str:
    """Find the one axis that has as many entries as there are names."""
    axes = [axis for weight in weights for axis in weight.axes]
    fitting = list(dict.fromkeys(axis.name for axis in axes if len(labels.names) in _lengths(axis)))
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        pairs = " or ".join(f"({labels.place!r}, {name!r})" for name in fitting)
        raise ValueError(
            f"{labels.words} fits several axes of {len(labels.names)} entries. Say which: labels={{{pairs}: ...}}."
        )
    sizes = ", ".join(dict.fromkeys(f"{axis.name} ({_lengths_text(axis)})" for axis in axes))
    raise ValueError(
        f"{labels.words} has {len(labels.names)} names, and no axis there has as many entries. There are: {sizes}."
    )


def _check_length(weight: Weight, axis: Axis, labels: Labels) -> None:
    if len(labels.names) not in _lengths(axis):
        raise ValueError(
            f"{labels.words} has {len(labels.names)} names, but the axis {axis.name!r} of {weight.key!r} has "
            f"{_lengths_text(axis)} entries: give one name for each. "
            f"For one weight alone: labels={{({weight.key!r}, {axis.name!r}): ...}}."
        )


def _lengths(axis: Axis) -> tuple[int, ...]:
    """Return how many names an axis takes: one for each entry or, of units that every gate has, one for each unit."""
    return (axis.size, axis.block_size) if axis.is_split else (axis.size,)


def _lengths_text(axis: Axis) -> str:
    return f"{axis.size}, or {axis.block_size} in each {axis.group}," if axis.is_split else str(axis.size)


def _named(weight: Weight, number: int, names: tuple[str, ...]) -> Weight:
    """Name the entries of one axis; names of units are said again in every gate."""
    axis = weight.axes[number]
    labels = names * (axis.size // len(names)) if names else ()
    axes = (*weight.axes[:number], replace(axis, labels=labels), *weight.axes[number + 1 :])
    return replace(weight, axes=axes)
