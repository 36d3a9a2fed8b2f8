"""The findings that are true of the weight on screen, and of which record they are."""

from __future__ import annotations

from dataclasses import dataclass

from weight_explorer.catalog.nodes import Catalog, Weight
from weight_explorer.diagnosis.findings import Examined, Finding, Findings


def findings_at(findings: Findings, weight: Weight) -> tuple[Finding, ...]:
    """Return what was found of a weight, or of that which it is a part of, the gravest first."""
    return tuple(each.at(weight.whole) for each in findings if weight.whole in (each.key, *each.keys))


def examined_words(examined: Examined, newest: int | None, *, is_training: bool) -> str:
    """Say of which record findings are, where there are newer ones, or will be in a moment.

    >>> examined_words(Examined(number=12), 15, is_training=False), examined_words(Examined(number=15), 15, is_training=False)
    ('as of record 12', '')
    """
    is_old = examined.number != newest or is_training
    return f"as of record {examined.number}" if examined.number is not None and is_old else ""


@dataclass(frozen=True, slots=True)
class FoundList:
    """The findings of the whole model: how many in words, and of each its severity, layer, sentence and weight."""

    heading: str
    entries: tuple[tuple[str, str, str, str], ...] = ()


def found_list(catalog: Catalog, examined: Examined) -> FoundList:
    """Return all findings, the gravest first."""
    if examined.number is None:
        return FoundList("Not examined yet.")
    if not examined.findings:
        return FoundList(f"Nothing was found up to record {examined.number}.")
    entries = ((each.severity, _layer(catalog, each.layer), each.sentence, each.key) for each in examined.findings)
    return FoundList(examined.findings.count_words, tuple(entries))


def _layer(catalog: Catalog, path: str) -> str:
    node = catalog.nodes.get(path)
    return node.name if node else path
