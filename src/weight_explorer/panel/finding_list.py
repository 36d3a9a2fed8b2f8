"""The findings on screen: those of the selected weight, and the list of all of them, each with its locations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weight_explorer.catalog.schema import Catalog, Weight
from weight_explorer.diagnosis.findings import DiagnosisResult, Finding, Findings, Location
from weight_explorer.views.overview.weight_rows import cached_weight_rows


@dataclass(frozen=True, slots=True)
class WeightLink:
    """A weight that can be selected: a name that tells it from all others, and its key."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class WeightFinding:
    """A finding as it is shown below the picture of a weight.

    Attributes:
        severity: "error", "warning" or "note".
        text: What was found in this weight, and what usually helps.
        elsewhere: Says in how many other places the same was found, or "".
        others: Those places.
    """

    severity: str
    text: str
    elsewhere: str = ""
    others: tuple[WeightLink, ...] = ()


@dataclass(frozen=True, slots=True)
class FindingEntry:
    """A finding as an entry of the list of all findings.

    Attributes:
        severity: "error", "warning" or "note".
        location: The layer, and how many others there are.
        sentence: What was found in the first location.
        key: The weight of the first location.
        others: The other locations.
    """

    severity: str
    location: str
    sentence: str
    key: str
    others: tuple[WeightLink, ...] = ()


@dataclass(frozen=True, slots=True)
class FindingList:
    """All findings of a model, the gravest first; `counts` says how many there are of each severity, "" for none."""

    heading: str
    counts: str = ""
    entries: tuple[FindingEntry, ...] = ()


NO_FINDINGS = FindingList("")


def findings_for_weight(findings: Findings, weight: Weight) -> tuple[Finding, ...]:
    """Return what was found of a weight, or of that which it is a part of, the gravest first."""
    return tuple(each.for_weight(weight.variable_key) for each in findings if weight.variable_key in (each.key, *each.keys))


def weight_findings(catalog: Catalog, findings: Findings, weight: Weight) -> tuple[WeightFinding, ...]:
    """Return the findings of a weight, the gravest first, each with the other places where the same was found."""
    names = _weight_names(catalog)
    return tuple(_weight_finding(finding, weight.variable_key, names) for finding in findings_for_weight(findings, weight))


def _weight_finding(finding: Finding, key: str, names: Mapping[str, str]) -> WeightFinding:
    others = [each for each in finding.locations if key not in (each.key, *each.keys)]
    elsewhere = f"Also in {_describe_others(others, finding.layer)}." if others else ""
    return WeightFinding(finding.severity, finding.text, elsewhere, _links(others, names))


def describe_examined_record(examined: DiagnosisResult, newest: int | None, *, is_training: bool) -> str:
    """Say of which record findings are, where there are newer ones, or will be in a moment.

    >>> (
    ...     describe_examined_record(DiagnosisResult(record_number=12), 15, is_training=False),
    ...     describe_examined_record(DiagnosisResult(record_number=15), 15, is_training=False),
    ... )
    ('as of record 12', '')
    """
    is_old = examined.record_number != newest or is_training
    return f"as of record {examined.record_number}" if examined.record_number is not None and is_old else ""


def finding_list(catalog: Catalog, examined: DiagnosisResult, when: str = "") -> FindingList:
    """Return all findings, the gravest first; `when` says which record they are of, where that is not the newest."""
    if examined.record_number is None:
        return FindingList("Not examined yet.")
    if not examined.findings:
        return FindingList(f"Nothing was found up to record {examined.record_number}.")
    names = _weight_names(catalog)
    heading = f"{examined.findings.summary}{f' ({when})' if when else ''}"
    entries = tuple(_finding_entry(catalog, finding, names) for finding in examined.findings)
    return FindingList(heading, examined.findings.severity_summary, entries)


def _finding_entry(catalog: Catalog, finding: Finding, names: Mapping[str, str]) -> FindingEntry:
    others, node = finding.locations[1:], catalog.nodes.get(finding.layer)
    more = f" and {_describe_others(others, finding.layer)}" if others else ""
    where = f"{node.name if node else finding.layer}{more}"
    return FindingEntry(finding.severity, where, finding.for_weight(finding.key).message, finding.key, _links(others, names))


def _describe_others(others: Sequence[Location], layer: str) -> str:
    """Count other layers, or other weights where a layer has several of them."""
    layers = {each.layer for each in others}
    noun = "layer" if len(layers) == len(others) and layer not in layers else "weight"
    return f"{len(others)} other {noun}{'s' * (len(others) > 1)}"


def _links(locations: Sequence[Location], names: Mapping[str, str]) -> tuple[WeightLink, ...]:
    return tuple(WeightLink(names.get(each.key, each.key), each.key) for each in locations)


def _weight_names(catalog: Catalog) -> Mapping[str, str]:
    rows = cached_weight_rows(catalog)
    return dict(zip(rows.keys, rows.axis.labels, strict=True))
