"""The types that define diagnosis rules and their parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weight_explorer.catalog.lookup import unknown_name_message

if TYPE_CHECKING:
    from weight_explorer.diagnosis.context import DiagnosisContext
    from weight_explorer.diagnosis.findings import Finding


@dataclass(frozen=True, slots=True)
class RuleParameter:
    """A threshold of a rule: its name, its default value, its description and its source."""

    name: str
    default: float
    description: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A diagnosis rule, which looks for one kind of problem.

    Attributes:
        name: The rule name that its findings show.
        title: A short description of what the rule looks for.
        find: A pure function that yields the findings for a `DiagnosisContext`.
        parameters: The thresholds that the rule uses.
    """

    name: str
    title: str
    find: Callable[[DiagnosisContext], Iterator[Finding]]
    parameters: tuple[RuleParameter, ...] = ()


def resolve_parameters(overrides: Mapping[str, float] | None, defined: tuple[RuleParameter, ...]) -> Mapping[str, float]:
    """Return the values of all parameters.

    Raises:
        ValueError: A name is unknown. The message suggests the nearest match.

    >>> resolve_parameters({"dead_records": 5}, (RuleParameter("dead_records", 3, "how many records"),))
    {'dead_records': 5}
    """
    values = {parameter.name: parameter.default for parameter in defined}
    for name in overrides or {}:
        if name not in values:
            raise ValueError(unknown_name_message("parameter", name, values))
    return values | dict(overrides or {})
