"""The explorer as plain text and as a line of HTML, for where no panel can run."""

from __future__ import annotations

import html

from weight_explorer.catalog.nodes import SEED_STATE, Catalog, Weight
from weight_explorer.recording.moments import change_words
from weight_explorer.recording.past import Past
from weight_explorer.recording.statistics import INDEX
from weight_explorer.recording.status import Status
from weight_explorer.recording.time import TRAINED
from weight_explorer.views.facts import empty_words, status_words
from weight_explorer.views.numbers import grouped, rough, share

MOST_ROWS = 40


def one_line(catalog: Catalog, history: Past, status: Status) -> str:
    """Say in one line what is explored and where it stands."""
    root = catalog.root
    pieces = (status_words(status), _last_change(history, status), f"records: {history.num_recorded}")
    return (
        f'WeightExplorer of "{root.name}": layers: {len(catalog.nodes) - 1}, weights: {len(_weights(catalog))}, '
        f"parameters: {grouped(root.num_params)}; {'; '.join(filter(None, pieces))}"
    )


def _last_change(history: Past, status: Status) -> str:
    """Say what was done to the weights since the last training, where that is the newest record and the status does not."""
    step = history.step(history.num_recorded - 1)
    if step is None or step.kind in (*TRAINED, "start") or (status.phase, step.kind) == ("unseen", "outside"):
        return ""
    return f"then: {change_words(step)}"


def plain_text(catalog: Catalog, history: Past, status: Status) -> str:
    """List every weight with its shape, its size and how it moved, as a table of plain text."""
    weights = _weights(catalog)
    if not weights:
        return "\n".join([one_line(catalog, history, status), empty_words(catalog.root)])
    rows = [("weight", "shape", "mean", "std", "moved"), *(_row(weight, history) for weight in weights[:MOST_ROWS])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(weights) > MOST_ROWS:
        lines.append(f"... and {len(weights) - MOST_ROWS} more")
    lines += [
        f"{weight.key} is one variable in {len(weight.shared_by)} layers: {_places(weight)}" for weight in _shared(weights)
    ]
    return "\n".join([one_line(catalog, history, status), *lines])


def html_line(catalog: Catalog, history: Past, status: Status, png: str) -> str:
    """Say the same as `one_line` in HTML, escaped, above a picture given in base64: viewers prefer HTML to a bare picture."""
    words = html.escape(one_line(catalog, history, status), quote=True)
    picture = f'<img alt="{words}" src="data:image/png;base64,{png}">'
    return f"<p>{words}. <em>Run the cell for the live panel.</em></p>{picture}"


def _weights(catalog: Catalog) -> list[Weight]:
    """Return what `get_weights()` would give: no random states."""
    return [weight for weight in catalog.weights.values() if weight.role != SEED_STATE]


def _shared(weights: list[Weight]) -> list[Weight]:
    return [weight for weight in weights if len(weight.shared_by) > 1][:MOST_ROWS]


def _places(weight: Weight) -> str:
    return ", ".join(weight.shared_by[:4]) + (", ..." if len(weight.shared_by) > 4 else "")


def _row(weight: Weight, history: Past) -> tuple[str, str, str, str, str]:
    recorded = history.recorded(weight.key)
    if not len(recorded):
        return weight.key, weight.shape_text, "", "", ""
    value, change = (history.row(weight.key, int(recorded[-1]), quantity) for quantity in ("value", "since_start"))
    first = history.step(int(recorded[0]))
    is_open = len(recorded) == 1 and first is not None and first.kind in TRAINED  # built by a batch of training
    return (
        weight.key,
        weight.shape_text,
        rough(value[INDEX["mean"]]),
        rough(value[INDEX["std"]]),
        "unknown" if is_open else share(change[INDEX["moved"]], weight.size),
    )
