"""The explorer as plain text and as a line of HTML, for where no panel can run."""

from __future__ import annotations

import html

from weight_explorer.catalog.schema import SEED_STATE, Catalog, Weight
from weight_explorer.panel.weight_details import describe_empty_layer, describe_status
from weight_explorer.pictures.numbers import format_count, format_rounded, format_share
from weight_explorer.recording.descriptions import describe_change
from weight_explorer.recording.history import History
from weight_explorer.recording.records import TRAINED_KINDS
from weight_explorer.recording.statistics.summary import FIELD_INDEX
from weight_explorer.recording.status import TrainingStatus

MAX_ROWS = 40


def one_line_summary(catalog: Catalog, history: History, status: TrainingStatus) -> str:
    """Say in one line what is explored and where it stands."""
    root = catalog.root
    pieces = (describe_status(status), _last_change(history, status), f"records: {history.num_recorded}")
    return (
        f'WeightExplorer of "{root.name}": layers: {len(catalog.nodes) - 1}, weights: {len(_weights(catalog))}, '
        f"parameters: {format_count(root.num_params)}; {'; '.join(filter(None, pieces))}"
    )


def _last_change(history: History, status: TrainingStatus) -> str:
    """Say what was done to the weights since the last training, where that is the newest record and the status does not."""
    step = history.get_record(history.num_recorded - 1)
    if step is None or step.kind in (*TRAINED_KINDS, "start") or (status.phase, step.kind) == ("unseen", "outside"):
        return ""
    return f"then: {describe_change(step)}"


def text_summary(catalog: Catalog, history: History, status: TrainingStatus) -> str:
    """List every weight with its shape, its size and how it moved, as a table of plain text."""
    weights = _weights(catalog)
    if not weights:
        return "\n".join([one_line_summary(catalog, history, status), describe_empty_layer(catalog.root)])
    rows = [("weight", "shape", "mean", "std", "moved"), *(_row(weight, history) for weight in weights[:MAX_ROWS])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if len(weights) > MAX_ROWS:
        lines.append(f"... and {len(weights) - MAX_ROWS} more")
    lines += [
        f"{weight.key} is one variable in {len(weight.shared_by)} layers: {_layer_paths(weight)}" for weight in _shared(weights)
    ]
    return "\n".join([one_line_summary(catalog, history, status), *lines])


def html_summary(catalog: Catalog, history: History, status: TrainingStatus, png: str) -> str:
    """Say the same as `one_line_summary` in HTML, escaped, above a picture in base64: viewers prefer HTML to a bare picture."""
    words = html.escape(one_line_summary(catalog, history, status), quote=True)
    picture = f'<img alt="{words}" src="data:image/png;base64,{png}">'
    return f"<p>{words}. <em>Run the cell for the live panel.</em></p>{picture}"


def _weights(catalog: Catalog) -> list[Weight]:
    """Return what `get_weights()` would give: no random states."""
    return [weight for weight in catalog.weights.values() if weight.role != SEED_STATE]


def _shared(weights: list[Weight]) -> list[Weight]:
    return [weight for weight in weights if len(weight.shared_by) > 1][:MAX_ROWS]


def _layer_paths(weight: Weight) -> str:
    return ", ".join(weight.shared_by[:4]) + (", ..." if len(weight.shared_by) > 4 else "")


def _row(weight: Weight, history: History) -> tuple[str, str, str, str, str]:
    recorded = history.record_numbers(weight.key)
    if not len(recorded):
        return weight.key, weight.shape_text, "", "", ""
    value, change = (history.statistics_at(weight.key, int(recorded[-1]), quantity) for quantity in ("value", "since_start"))
    first = history.get_record(int(recorded[0]))
    is_open = len(recorded) == 1 and first is not None and first.kind in TRAINED_KINDS  # built by a batch of training
    return (
        weight.key,
        weight.shape_text,
        format_rounded(value[FIELD_INDEX["mean"]]),
        format_rounded(value[FIELD_INDEX["std"]]),
        "unknown" if is_open else format_share(change[FIELD_INDEX["moved"]], weight.size),
    )
