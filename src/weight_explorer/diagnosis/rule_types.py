"""The terms that the table of rules is written in."""

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
    """A threshold: its name, its value unless another is given, what it means, and where it comes from."""

    name: str
    default: float
    description: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of trouble.

    Attributes:
        name: What findings are called by.
        title: What it looks for, in a few words.
        find: Yields the findings of a case; pure.
        parameters: The thresholds it asks.
    """

    name: str
    title: str
    find: Callable[[DiagnosisContext], Iterator[Finding]]
    parameters: tuple[RuleParameter, ...] = ()


def resolve_parameters(overrides: Mapping[str, float] | None, defined: tuple[RuleParameter, ...]) -> Mapping[str, float]:
    """Return the value of every parameter.

    Raises:
        ValueError: There is none of that name; the message names the nearest match.

    >>> resolve_parameters({"dead_records": 5}, (RuleParameter("dead_records", 3, "how many records"),))
    {'dead_records': 5}
    """
    values = {parameter.name: parameter.default for parameter in defined}
    for name in overrides or {}:
        if name not in values:
            raise ValueError(unknown_name_message("parameter", name, values))
    return values | dict(overrides or {})
