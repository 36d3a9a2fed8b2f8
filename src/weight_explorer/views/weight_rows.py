"""All weights of a model from top to bottom, with names that are short and tell them apart."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, replace

from weight_explorer.catalog.nodes import SEED_STATE, Axis, Block, Catalog


@dataclass(frozen=True, slots=True)
class Rows:
    """The weights from top to bottom, named so that each name tells one from all others, and layer by layer."""

    keys: tuple[str, ...]
    axis: Axis


def rows_of(catalog: Catalog) -> Rows:
    """Return all weights in the order of the tree, each at the first layer that holds it."""
    found: dict[str, tuple[str, ...]] = {}
    for node in catalog.nodes.values():
        for key in node.weights:
            if catalog.weights[key].role != SEED_STATE:
                found.setdefault(key, (*node.path.split("/")[1:], catalog.weights[key].name))
    labels = _short_names(found)
    return Rows(tuple(found), Axis("weight", len(found), blocks=_layers(found), labels=labels, entry="weight", group="layer"))


def _short_names(ways: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Name each weight by the end of the way that leads to it, as much of that as tells it from all others."""
    names: dict[str, str] = {}
    longest = max(map(len, ways.values()), default=0)
    for length in range(2, max(longest, 2) + 1):
        ends: dict[str, list[str]] = {}
        for key, way in ways.items():
            if key not in names:
                ends.setdefault(" / ".join(way[-length:]), []).append(key)
        names |= {keys[0]: end for end, keys in ends.items() if len(keys) == 1 and end not in names.values()}
    return tuple(names.get(key, key) for key in ways)


def _layers(ways: dict[str, tuple[str, ...]]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    layer: tuple[str, ...] | None = None
    for row, way in enumerate(ways.values()):
        if way[:-1] != layer:
            layer = way[:-1]
            blocks.append(Block(" / ".join(layer), row, row))
        blocks[-1] = replace(blocks[-1], stop=row + 1)
    return tuple(blocks)


# Weakly: a catalog holds the live variables of its model.
_rows: list[tuple[weakref.ref[Catalog], Rows]] = []


def known_rows(catalog: Catalog) -> Rows:
    """Return the rows of a catalog; those of the last few are remembered as long as the catalog is there."""
    for known, rows in _rows[:]:
        if known() is catalog:
            return rows
    rows = rows_of(catalog)
    _rows[:] = [*_rows[-3:], (weakref.ref(catalog), rows)]
    return rows
