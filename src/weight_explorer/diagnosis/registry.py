"""All rules: a new one is a function in a module of `rules`, and a row here."""

from __future__ import annotations

from collections.abc import Mapping

from weight_explorer.catalog.nodes import Catalog
from weight_explorer.diagnosis.case import Case
from weight_explorer.diagnosis.facts import NO_FACTS, Facts
from weight_explorer.diagnosis.findings import SEVERITIES, Finding, Findings
from weight_explorer.diagnosis.merging import merged
from weight_explorer.diagnosis.rules.broken import FROZEN_MOVED, NOT_FINITE
from weight_explorer.diagnosis.rules.moving import MOVING
from weight_explorer.diagnosis.rules.norms import COLLAPSED, GROWING, SATURATING
from weight_explorer.diagnosis.rules.rows import ROWS
from weight_explorer.diagnosis.rules.standstill import STANDSTILL
from weight_explorer.diagnosis.rules.units import DEAD, SYMMETRIC
from weight_explorer.diagnosis.rules.updates import JUMPS, ROUNDED, UPDATES
from weight_explorer.diagnosis.terms import Rule, checked
from weight_explorer.recording.past import Past

RULES: tuple[Rule, ...] = (
    NOT_FINITE,
    FROZEN_MOVED,
    STANDSTILL,
    ROWS,
    DEAD,
    SYMMETRIC,
    UPDATES,
    JUMPS,
    ROUNDED,
    GROWING,
    SATURATING,
    COLLAPSED,
    MOVING,
)
PARAMETERS = tuple({parameter.name: parameter for rule in RULES for parameter in rule.parameters}.values())


def findings_of(
    catalog: Catalog, past: Past, facts: Facts = NO_FACTS, parameters: Mapping[str, float] | None = None
) -> Findings:
    """Examine a training: what moved, what did not and why, the gravest first, and then in the order of the tree.

    Args:
        catalog: What the model holds.
        past: What was recorded: a snapshot, where it is still being written.
        facts: What else is known of the model.
        parameters: Other values for some of `PARAMETERS`, by name.

    Raises:
        ValueError: There is no parameter of that name.
    """
    case = Case(catalog, past, facts, checked(parameters, PARAMETERS))
    found = merged(finding for rule in RULES for finding in rule.find(case))
    places = {key: place for place, key in enumerate(catalog.weights)}

    def rank(finding: Finding) -> tuple[int, int]:
        return SEVERITIES.index(finding.severity), places.get(finding.key, 0)

    return Findings(sorted(found, key=rank))
