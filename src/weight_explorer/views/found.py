"""The findings that are true of the weight on screen, and of which record they are."""

from __future__ import annotations

from weight_explorer.catalog.nodes import Weight
from weight_explorer.diagnosis.findings import Examined, Finding, Findings


def findings_at(findings: Findings, weight: Weight) -> tuple[Finding, ...]:
    """Return what was found of a weight, or of that which it is a part of, the gravest first."""
    return tuple(each for each in findings if weight.whole in (each.key, *each.keys))


def examined_words(examined: Examined, newest: int | None, *, is_training: bool) -> str:
    """Say of which record findings are, where there are newer ones, or will be in a moment.

    >>> examined_words(Examined(number=12), 15, is_training=False), examined_words(Examined(number=15), 15, is_training=False)
    ('as of record 12', '')
    """
    is_old = examined.number != newest or is_training
    return f"as of record {examined.number}" if examined.number is not None and is_old else ""
