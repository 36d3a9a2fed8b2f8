"""The findings on screen: those of the selected weight, and the list of all of them, each with its locations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weight_explorer.catalog.nodes import Catalog, Weight
from weight_explorer.diagnosis.findings import Examined, Finding, Findings, Location
from weight_explorer.views.weight_rows import known_rows


@dataclass(frozen=True, slots=True)
class Link:
    """A weight that can be selected: a name that tells it from all others, and its key."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """A finding as it is shown below the picture of a weight.

    Attributes:
        severity: "error", "warning" or "note".
        words: What was found in this weight, and what usually helps.
        elsewhere: Says in how many other places the same was found, or "".
        others: Those places.
    """

    severity: str
    words: str
    elsewhere: str = ""
    others: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedFinding:
    """A finding as an entry of the list of all findings.

    Attributes:
        severity: "error", "warning" or "note".
        where: The layer, and how many others there are.
        sentence: What was found in the first location.
        key: The weight of the first location.
        others: The other locations.
    """

    severity: str
    where: str
    sentence: str
    key: str
    others: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundList:
    """All findings of a model, the gravest first; `counts` says how many there are of each severity, "" for none."""

    heading: str
    counts: str = ""
    entries: tuple[ListedFinding, ...] = ()


NO_FINDINGS = FoundList("")


def findings_at(findings: Findings, weight: Weight) -> tuple[Finding, ...]:
    """Return what was found of a weight, or of that which it is a part of, the gravest first."""
    return tuple(each.at(weight.whole) for each in findings if weight.whole in (each.key, *each.keys))


def shown_findings(catalog: Catalog, findings: Findings, weight: Weight) -> tuple[ShownFinding, ...]:
    """Return the findings of a weight, the gravest first, each with the other places where the same was found."""
    names = _names(catalog)
    return tuple(_shown(finding, weight.whole, names) for finding in findings_at(findings, weight))


def _shown(finding: Finding, key: str, names: Mapping[str, str]) -> ShownFinding:
    others = [each for each in finding.locations if key not in (each.key, *each.keys)]
    elsewhere = f"Also in {_others_words(others, finding.layer)}." if others else ""
    return ShownFinding(finding.severity, finding.words, elsewhere, _links(others, names))


def examined_words(examined: Examined, newest: int | None, *, is_training: bool) -> str:
    """Say of which record findings are, where there are newer ones, or will be in a moment.

    >>> examined_words(Examined(number=12), 15, is_training=False), examined_words(Examined(number=15), 15, is_training=False)
    ('as of record 12', '')
    """
    is_old = examined.number != newest or is_training
    return f"as of record {examined.number}" if examined.number is not None and is_old else ""


def found_list(catalog: Catalog, examined: Examined, when: str = "") -> FoundList:
    """Return all findings, the gravest first; `when` says which record they are of, where that is not the newest."""
    if examined.number is None:
        return FoundList("Not examined yet.")
    if not examined.findings:
        return FoundList(f"Nothing was found up to record {examined.number}.")
    names = _names(catalog)
    heading = f"{examined.findings.count_words}{f' ({when})' if when else ''}"
    entries = tuple(_listed(catalog, finding, names) for finding in examined.findings)
    return FoundList(heading, examined.findings.severity_words, entries)


def _listed(catalog: Catalog, finding: Finding, names: Mapping[str, str]) -> ListedFinding:
    others, node = finding.locations[1:], catalog.nodes.get(finding.layer)
    more = f" and {_others_words(others, finding.layer)}" if others else ""
    where = f"{node.name if node else finding.layer}{more}"
    return ListedFinding(finding.severity, where, finding.at(finding.key).sentence, finding.key, _links(others, names))


def _others_words(others: Sequence[Location], layer: str) -> str:
    """Count other layers, or other weights where a layer has several of them."""
    layers = {each.layer for each in others}
    noun = "layer" if len(layers) == len(others) and layer not in layers else "weight"
    return f"{len(others)} other {noun}{'s' * (len(others) > 1)}"


def _links(locations: Sequence[Location], names: Mapping[str, str]) -> tuple[Link, ...]:
    return tuple(Link(names.get(each.key, each.key), each.key) for each in locations)


def _names(catalog: Catalog) -> Mapping[str, str]:
    rows = known_rows(catalog)
    return dict(zip(rows.keys, rows.axis.labels, strict=True))
