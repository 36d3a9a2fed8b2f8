"""The registry of diagnosis rules. To add a rule, write a function in a module of `rules` and add a row here."""

from __future__ import annotations

from collections.abc import Mapping

from weight_explorer.catalog.schema import Catalog
from weight_explorer.diagnosis.context import DiagnosisContext
from weight_explorer.diagnosis.findings import SEVERITIES, Finding, Findings
from weight_explorer.diagnosis.merging import merge_findings
from weight_explorer.diagnosis.model_facts import NO_MODEL_FACTS, ModelFacts
from weight_explorer.diagnosis.rule_types import Rule, resolve_parameters
from weight_explorer.diagnosis.rules.moving_statistics import MOVING_STATISTICS
from weight_explorer.diagnosis.rules.non_finite import FROZEN_CHANGED, NON_FINITE
from weight_explorer.diagnosis.rules.norms import GROWING_NORM, RANK_COLLAPSE, SATURATION
from weight_explorer.diagnosis.rules.unchanged_rows import UNCHANGED_ROWS
from weight_explorer.diagnosis.rules.unchanged_weights import UNCHANGED_WEIGHTS
from weight_explorer.diagnosis.rules.units import DEAD_UNITS, SYMMETRIC_UNITS
from weight_explorer.diagnosis.rules.updates import BELOW_RESOLUTION, NORM_JUMPS, UPDATE_SIZE
from weight_explorer.recording.history import History

RULES: tuple[Rule, ...] = (
    NON_FINITE,
    FROZEN_CHANGED,
    UNCHANGED_WEIGHTS,
    UNCHANGED_ROWS,
    DEAD_UNITS,
    SYMMETRIC_UNITS,
    UPDATE_SIZE,
    NORM_JUMPS,
    BELOW_RESOLUTION,
    GROWING_NORM,
    SATURATION,
    RANK_COLLAPSE,
    MOVING_STATISTICS,
)
PARAMETERS = tuple({parameter.name: parameter for rule in RULES for parameter in rule.parameters}.values())


def diagnose(
    catalog: Catalog, history: History, facts: ModelFacts = NO_MODEL_FACTS, parameters: Mapping[str, float] | None = None
) -> Findings:
    """Run all rules on a recorded training and return the findings, most severe first, then in the order of the tree.

    Args:
        catalog: The layers and weights of the model.
        history: The recorded history. Pass a snapshot if recording is still in progress.
        facts: Other known facts about the model.
        parameters: Values that override some of `PARAMETERS`, by name.

    Raises:
        ValueError: A parameter name is unknown.
    """
    case = DiagnosisContext(catalog, history, facts, resolve_parameters(parameters, PARAMETERS))
    found = merge_findings(finding for rule in RULES for finding in rule.find(case))
    places = {key: place for place, key in enumerate(catalog.weights)}

    def rank(finding: Finding) -> tuple[int, int]:
        return SEVERITIES.index(finding.severity), places.get(finding.key, 0)

    return Findings(sorted(found, key=rank))
