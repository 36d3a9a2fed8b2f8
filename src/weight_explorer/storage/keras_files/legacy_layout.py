"""The legacy file layout: one group for each layer, by name."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from weight_explorer.storage import hdf5
from weight_explorer.storage.keras_files.errors import mismatch_error
from weight_explorer.storage.keras_files.layout import LEGACY_TOP_LEVEL_GROUP, CheckpointLayout


def legacy_group(file: Any) -> Any:
    """Return the group that contains the layers if a file has the layout of `model.save("model.h5")`, else None."""
    groups = (file, hdf5.find_object(file, "model_weights"))
    return next((each for each in groups if isinstance(each, h5py.Group) and _attribute_chunks(each, "layer_names")), None)


def _read_names(group: Any, attribute: str) -> list[str] | None:
    """Read a list of names, which Keras splits if it is longer than HDF5 allows; None if it does not exist."""
    pieces = _attribute_chunks(group, attribute)
    names = (name for piece in pieces for name in np.atleast_1d(hdf5.read_attribute(group, piece, allow_variable_length=True)))
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names] if pieces else None


def _attribute_chunks(group: Any, attribute: str) -> list[str]:
    if not isinstance(group, h5py.Group):
        raise KeyError("a layer is missing that it lists")
    numbered = (f"{attribute}{number}" for number in itertools.count())
    return [attribute] if attribute in group.attrs else list(itertools.takewhile(group.attrs.__contains__, numbered))


def legacy_dataset_names(path: Path, layout: CheckpointLayout, group: Any) -> dict[str, str]:
    """Return the dataset name for each key, layer by layer."""
    saved = _saved_weight_names(group)
    if len(saved) != len(layout.legacy_layers):
        few = ", ".join(list(saved)[:3]) + (", ..." if len(saved) > 3 else "")
        raise mismatch_error(path, f"holds {len(saved)} layers with weights ({few}) and the model {len(layout.legacy_layers)}")
    found: dict[str, str] = {}
    names = [name for name, _ in layout.legacy_layers]
    for (_, keys), name in zip(layout.legacy_layers, _match_names(names, list(saved)), strict=True):
        weights = saved[name]
        if len(keys) != len(weights):
            raise mismatch_error(path, f"holds {len(weights)} weights of layer {name!r} and the model {len(keys)}")
        ours = [layout.variables[key].keras_path if key else "" for key in keys]
        for key, weight in zip(keys, _match_names(ours, weights), strict=True):
            found.setdefault(key, f"{group.name.rstrip('/')}/{name}/{weight}")
    return {key: name for key, name in found.items() if key}


def _saved_weight_names(group: Any) -> dict[str, list[str]]:
    """Return the weight names of each layer with weights; weights of the model itself, if any, come last."""
    names = _read_names(group, "layer_names") or []
    own = [LEGACY_TOP_LEVEL_GROUP] if LEGACY_TOP_LEVEL_GROUP in group else []
    held = {name: _read_names(hdf5.find_object(group, name), "weight_names") or [] for name in [*names, *own]}
    return {name: weights for name, weights in held.items() if weights}


def _match_names(model_names: list[str], saved_names: list[str]) -> list[str]:
    """Match the names in a file to the model's names, by the strictest rule that fits all of them.

    The rules, in order: the whole name; the last parts of the name, since Keras omits the first ones after reloading; the same
    with the order of the numbers that Keras assigned in place of the numbers; the end of the name and its count; and the order
    alone, as Keras does it. The file lists trainable weights first and then the others, so the order changes when layers are
    frozen.

    >>> _match_names(["m/bn_1/gamma", "m/bn_1/mean"], ["m/bn/mean:0", "m/bn/gamma:0"])
    ['m/bn/gamma:0', 'm/bn/mean:0']
    >>> _match_names(["dense_7/kernel", "dense_8/kernel"], ["m/dense_3/kernel", "m/dense_2/kernel"])
    ['m/dense_2/kernel', 'm/dense_3/kernel']
    """
    for rule in (_full_names, _last_three, _last_two, _layer_ranks, _numbered_last_parts):
        labels = dict(zip(rule(saved_names), saved_names, strict=True))
        wanted = rule(model_names)
        if len(set(wanted)) == len(labels) == len(saved_names) and set(labels) == set(wanted):
            return [labels[label] for label in wanted]
    return saved_names


def _full_names(names: list[str]) -> list[Any]:
    return [name.removesuffix(":0") for name in names]


def _last_three(names: list[str]) -> list[Any]:
    return [tuple(name.split("/")[-3:]) for name in _full_names(names)]


def _last_two(names: list[str]) -> list[Any]:
    return [tuple(name.split("/")[-2:]) for name in _full_names(names)]


def _layer_ranks(names: list[str]) -> list[Any]:
    """Label each name by its layer without the number, the rank of that number among such layers, and the end of the name."""
    layers = [(*_split_number(name.split("/")[-2:][0]), name.split("/")[-1]) for name in _full_names(names)]
    numbers = {stem: sorted({number for other, number, _ in layers if other == stem}) for stem, _, _ in layers}
    return [(stem, numbers[stem].index(number), end if "/" in names[0] else "") for stem, number, end in layers]


def _split_number(name: str) -> tuple[str, int]:
    """Split a layer name generated by Keras into its stem and its number.

    >>> _split_number("dense_12"), _split_number("dense")
    (('dense', 12), ('dense', 0))
    """
    stem, _, number = name.rpartition("_")
    return (stem, int(number)) if stem and number.isdecimal() else (name, 0)


def _numbered_last_parts(names: list[str]) -> list[Any]:
    seen: Counter[str] = Counter()
    labels = []
    for name in _full_names(names):
        end = name.rsplit("/", 1)[-1]
        seen[end] += 1
        labels.append((end, seen[end]))
    return labels
