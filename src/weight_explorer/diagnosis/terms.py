"""The terms that the table of rules is written in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weight_explorer.catalog.names import refusal

if TYPE_CHECKING:
    from weight_explorer.diagnosis.case import Case
    from weight_explorer.diagnosis.findings import Finding


@dataclass(frozen=True, slots=True)
class Parameter:
    """A threshold: its name, its value unless another is given, what it means, and where it comes from."""

    name: str
    default: float
    meaning: str
    source: str = ""


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
    find: Callable[[Case], Iterator[Finding]]
    parameters: tuple[Parameter, ...] = ()


def checked(parameters: Mapping[str, float] | None, known: tuple[Parameter, ...]) -> Mapping[str, float]:
    """Return the value of every parameter.

    Raises:
        ValueError: There is none of that name; the message names the nearest match.

    >>> checked({"dead_records": 5}, (Parameter("dead_records", 3, "how many records"),))
    {'dead_records': 5}
    """
    values = {parameter.name: parameter.default for parameter in known}
    for name in parameters or {}:
        if name not in values:
            raise ValueError(refusal("parameter", name, values))
    return values | dict(parameters or {})
