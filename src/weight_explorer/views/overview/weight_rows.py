"""The rows of the overview: all weights, with short and unique names."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace

from weight_explorer.catalog.schema import SEED_STATE, Axis, Block, Catalog


@dataclass(frozen=True, slots=True)
class WeightRows:
    """The weights from top to bottom, with unique names, grouped by layer."""

    keys: tuple[str, ...]
    axis: Axis


def weight_rows(catalog: Catalog) -> WeightRows:
    """Return all weights in tree order. A shared weight appears at the first layer that holds it."""
    found: dict[str, tuple[str, ...]] = {}
    for node in catalog.nodes.values():
        for key in node.weights:
            if catalog.weights[key].role != SEED_STATE:
                found.setdefault(key, (*node.path.split("/")[1:], catalog.weights[key].name))
    labels = _short_names(found)
    return WeightRows(
        tuple(found),
        Axis("weight", len(found), blocks=_layer_blocks(found), labels=labels, entry_name="weight", block_kind="layer"),
    )


def _short_names(paths: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Name each weight by the end of its path, as long as needed to be unique."""
    names: dict[str, str] = {}
    longest = max(map(len, paths.values()), default=0)
    for length in range(2, max(longest, 2) + 1):
        ends: dict[str, list[str]] = {}
        for key, way in paths.items():
            if key not in names:
                ends.setdefault(" / ".join(way[-length:]), []).append(key)
        names |= {keys[0]: end for end, keys in ends.items() if len(keys) == 1 and end not in names.values()}
    return tuple(names.get(key, key) for key in paths)


def _layer_blocks(paths: dict[str, tuple[str, ...]]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    layer: tuple[str, ...] | None = None
    for row, way in enumerate(paths.values()):
        if way[:-1] != layer:
            layer = way[:-1]
            blocks.append(Block(" / ".join(layer), row, row))
        blocks[-1] = replace(blocks[-1], stop=row + 1)
    return tuple(blocks)


# A weak reference, because a catalog holds the live variables of its model.
_rows_cache: list[tuple[weakref.ref[Catalog], WeightRows]] = []


def cached_weight_rows(catalog: Catalog) -> WeightRows:
    """Return the rows of a catalog. The most recent ones are cached as long as their catalog exists."""
    for known, rows in _rows_cache[:]:
        if known() is catalog:
            return rows
    rows = weight_rows(catalog)
    _rows_cache[:] = [*_rows_cache[-3:], (weakref.ref(catalog), rows)]
    return rows
