"""The layer tree: a WAI-ARIA tree with a search field."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from weight_explorer.catalog.schema import Catalog, LayerNode
from weight_explorer.panel.layer_activity import LayerActivity
from weight_explorer.panel.weight_details import describe_size
from weight_explorer.pictures.assets import read_asset
from weight_explorer.pictures.numbers import format_count

# A tree of more rows than this opens with its nested models and wrappers folded.
MAX_OPEN_ROWS = 40


class TreeWidget(anywidget.AnyWidget):
    """Shows the layers as rows; the user's choice arrives in `selected`.

    `rows` is the whole tree from top to bottom, `folded` the paths of rows whose children are hidden. `folded`, `selected` and
    `filter` live here and not in the page, so that they outlast it.

    How much the weights of each row changed last comes apart from the rows, so that these stand: `ratios` and `largest_weights`
    are float32 and int32, one of each for every row, and `largest_weights` says which of `weights` it is; `estimated` and
    `severities` are bytes. See `panel.layer_activity.Activity`.
    """

    _esm = read_asset("tree.js")
    _css = read_asset("tree.css")

    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    folded = traitlets.List(traitlets.Unicode()).tag(sync=True)
    filter = traitlets.Unicode().tag(sync=True)
    weights = traitlets.List(traitlets.Unicode()).tag(sync=True)
    since_record = traitlets.Int(-1).tag(sync=True)
    ratios = traitlets.Bytes().tag(sync=True)
    largest_weights = traitlets.Bytes().tag(sync=True)
    estimated = traitlets.Bytes().tag(sync=True)
    severities = traitlets.Bytes().tag(sync=True)

    def show(self, catalog: Catalog) -> None:
        """Bring the rows up to date; rows that stay keep their fold, new ones of a large tree start folded."""
        rows = [_row_state(level, node) for level, node in catalog.root.walk()]
        known = {row["path"] for row in self.rows}
        large = len(rows) > MAX_OPEN_ROWS
        new = [row["path"] for row in rows if row["parent"] and row["path"] not in known and large and row["level"] > 1]
        with self.hold_sync():
            self.rows = rows
            self.folded = [*self.folded, *new]
            self.weights = list(catalog.weights)

    def show_activity(self, activity: LayerActivity) -> None:
        """Bring the bars and marks of the rows up to date, in one message, or none where they are as they were."""
        with self.hold_sync():
            self.since_record = activity.since_record
            self.ratios = activity.ratios.tobytes()
            self.largest_weights = activity.largest_weights.tobytes()
            self.estimated = activity.estimated.tobytes()
            self.severities = activity.severities.tobytes()


def _row_state(level: int, node: LayerNode) -> dict[str, Any]:
    marks = {"frozen": node.frozen, "shared": node.shared, "not built": not node.built}
    present = [name for name, is_set in marks.items() if is_set]
    return {
        "path": node.path,
        "name": node.name,
        "kind": node.class_name,
        "count": format_count(node.num_params) if node.num_params else "",
        "level": level,
        "parent": bool(node.children),
        "marks": present,
        "label": ", ".join([node.name, node.class_name, describe_size(node), *present]),
    }
