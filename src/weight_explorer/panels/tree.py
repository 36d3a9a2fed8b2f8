"""The layer tree: a WAI-ARIA tree with a search field."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from weight_explorer.catalog.nodes import Catalog, LayerNode
from weight_explorer.panels.assets import asset
from weight_explorer.views.activity import Activity
from weight_explorer.views.facts import count_words
from weight_explorer.views.numbers import grouped

# A tree of more rows than this opens with its nested models and wrappers folded.
MOST_OPEN_ROWS = 40


class TreePanel(anywidget.AnyWidget):
    """Shows the layers as rows; the user's choice arrives in `selected`.

    `rows` is the whole tree from top to bottom, `folded` the paths of rows whose children are hidden. `folded`, `selected` and
    `filter` live here and not in the page, so that they outlast it.

    How much the weights of each row changed last comes apart from the rows, so that these stand: `ratios` and `largest` are
    float32 and int32, one of each for every row, and `largest` says which of `weights` it is; `estimated` and `troubles` are
    bytes. See `views.activity.Activity`.
    """

    _esm = asset("tree.js")
    _css = asset("tree.css")

    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    selected = traitlets.Unicode().tag(sync=True)
    folded = traitlets.List(traitlets.Unicode()).tag(sync=True)
    filter = traitlets.Unicode().tag(sync=True)
    weights = traitlets.List(traitlets.Unicode()).tag(sync=True)
    since = traitlets.Int(-1).tag(sync=True)
    ratios = traitlets.Bytes().tag(sync=True)
    largest = traitlets.Bytes().tag(sync=True)
    estimated = traitlets.Bytes().tag(sync=True)
    troubles = traitlets.Bytes().tag(sync=True)

    def show(self, catalog: Catalog) -> None:
        """Bring the rows up to date; rows that stay keep their fold, new ones of a large tree start folded."""
        rows = [_row(level, node) for level, node in catalog.root.walk()]
        known = {row["path"] for row in self.rows}
        large = len(rows) > MOST_OPEN_ROWS
        new = [row["path"] for row in rows if row["parent"] and row["path"] not in known and large and row["level"] > 1]
        with self.hold_sync():
            self.rows = rows
            self.folded = [*self.folded, *new]
            self.weights = list(catalog.weights)

    def show_activity(self, activity: Activity) -> None:
        """Bring the bars and marks of the rows up to date, in one message, or none where they are as they were."""
        with self.hold_sync():
            self.since = activity.since
            self.ratios = activity.ratios.tobytes()
            self.largest = activity.weights.tobytes()
            self.estimated = activity.estimated.tobytes()
            self.troubles = activity.severities.tobytes()


def _row(level: int, node: LayerNode) -> dict[str, Any]:
    marks = {"frozen": node.frozen, "shared": node.shared, "not built": not node.built}
    present = [name for name, is_set in marks.items() if is_set]
    return {
        "path": node.path,
        "name": node.name,
        "kind": node.class_name,
        "count": grouped(node.num_params) if node.num_params else "",
        "level": level,
        "parent": bool(node.children),
        "marks": present,
        "label": ", ".join([node.name, node.class_name, count_words(node), *present]),
    }
