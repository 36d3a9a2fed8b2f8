"""Convert a catalog to and from JSON, so that a recorded run can be opened without its model."""

from __future__ import annotations

import json
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from weight_explorer.catalog.schema import Axis, Block, Catalog, LayerNode, NotTrainableReason, Weight


def catalog_to_json(catalog: Catalog) -> str:
    """Convert a catalog to JSON, without the live variables and layers.

    >>> node = LayerNode("m", "m", "Sequential", weights=("m/w",))
    >>> weight = Weight("m/w", "kernel", "kernel", "m", (3,), "float32", (Axis("units", 3),), shared_by=("m",))
    >>> catalog = Catalog(node, {"m/w": weight})
    >>> catalog_from_json(catalog_to_json(catalog)) == catalog
    True
    """
    weights = {key: asdict(weight) for key, weight in catalog.weights.items()}
    return json.dumps({"root": asdict(catalog.root), "weights": weights})


def catalog_from_json(text: str) -> Catalog:
    """Read the output of `catalog_to_json`."""
    found = json.loads(text)
    weights = {key: _weight_from_json(fields) for key, fields in found["weights"].items()}
    return Catalog(_node_from_json(found["root"]), MappingProxyType(weights))


def _node_from_json(fields: dict[str, Any]) -> LayerNode:
    fields["weights"] = tuple(fields["weights"])
    fields["children"] = tuple(_node_from_json(child) for child in fields["children"])
    return LayerNode(**fields)


def _weight_from_json(fields: dict[str, Any]) -> Weight:
    for name in ("shape", "shared_by", "index", "source_shape"):
        fields[name] = tuple(fields.get(name, ()))
    code = fields.get("not_trainable")
    fields["not_trainable"] = None if code is None else NotTrainableReason(code)
    fields["axes"] = tuple(_axis_from_json(axis) for axis in fields["axes"])
    return Weight(**fields)


def _axis_from_json(fields: dict[str, Any]) -> Axis:
    fields["blocks"] = tuple(Block(**block) for block in fields["blocks"])
    fields["labels"] = tuple(fields["labels"])
    return Axis(**fields)
