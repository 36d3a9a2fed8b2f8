"""How much each layer's weights changed last, and where there is trouble: a number and a mark for each row of the tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from weight_explorer.catalog.schema import Catalog
from weight_explorer.diagnosis.findings import SEVERITIES, Finding
from weight_explorer.recording.history import LastChange
from weight_explorer.recording.statistics.summary import FIELD_INDEX, QUANTITIES

_VALUE, _SINCE_LAST = QUANTITIES.index("value"), QUANTITIES.index("since_last")
_NORM = FIELD_INDEX["norm"]

# Where nothing is known of a row: no weight, and no severity.
UNKNOWN = -1


@dataclass(frozen=True, slots=True, eq=False)
class LayerActivity:
    """What the rows of the tree show beside their names, in the order of `Catalog.nodes`.

    Attributes:
        since_record: The number of the record that the change is measured from, `UNKNOWN` where nothing is known.
        ratios: The largest update ratio of the weights of each row and of those below, NaN where none is known; float32.
        largest_weights: Which weight has it, as a place in `Catalog.weights`, `UNKNOWN` where none has; int32.
        estimated: Whether a sample tells that; bool.
        severities: The gravest finding there, as a place in `SEVERITIES`, `UNKNOWN` where nothing was found; int8.
    """

    since_record: int = UNKNOWN
    ratios: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    largest_weights: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    estimated: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    severities: np.ndarray = field(default_factory=lambda: np.empty(0, np.int8))


NO_ACTIVITY = LayerActivity()


def layer_activity(catalog: Catalog, last: LastChange, findings: Iterable[Finding] = ()) -> LayerActivity:
    """Find for each row of the tree the largest change since the record before and the gravest finding, there or below."""
    ratios, found = update_ratios(last), _worst_severities(findings)
    places = {key: place for place, key in enumerate(catalog.weights)}
    best: dict[str, tuple[float, str]] = {}
    gravest: dict[str, int] = {}
    for path, node in reversed(catalog.nodes.items()):
        parent = path.rpartition("/")[0]
        for key in node.weights:
            ratio = ratios.get(key, np.nan)
            if ratio >= 0 and (path not in best or ratio > best[path][0]):
                best[path] = ratio, key
            if key in found:
                gravest[path] = min(found[key], gravest.get(path, found[key]))
        if path in best and (parent not in best or best[path][0] >= best[parent][0]):
            best[parent] = best[path]
        if path in gravest:
            gravest[parent] = min(gravest[path], gravest.get(parent, gravest[path]))
    rows = [best.get(path, (np.nan, "")) for path in catalog.nodes]
    return LayerActivity(
        since_record=UNKNOWN if last.record_number is None or not best else last.record_number - 1,
        ratios=np.array([ratio for ratio, _ in rows], np.float32),
        largest_weights=np.array([places.get(key, UNKNOWN) for _, key in rows], np.int32),
        estimated=np.array([key in last.estimated_keys for _, key in rows], bool),
        severities=np.array([gravest.get(path, UNKNOWN) for path in catalog.nodes], np.int8),
    )


def update_ratios(last: LastChange) -> Mapping[str, float]:
    """Return from key to the norm of the change since the record before over that of the weight, NaN where it is not known."""
    norms, changes = last.rows[:, _VALUE, _NORM], last.rows[:, _SINCE_LAST, _NORM]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(changes == 0, 0.0, changes / norms)
    return dict(zip(last.keys, ratios.tolist(), strict=True))


def _worst_severities(findings: Iterable[Finding]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for finding in findings:
        rank = SEVERITIES.index(finding.severity)
        for key in (finding.key, *finding.keys):
            found[key] = min(rank, found.get(key, rank))
    return found
