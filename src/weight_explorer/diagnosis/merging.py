"""Merges findings with the same cause. A problem that occurs in many layers becomes one finding with several locations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType

from weight_explorer.diagnosis.findings import Finding, Location
from weight_explorer.diagnosis.text import join_names, layer_name


def merge_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Merge findings with the same rule, severity and cause. Findings without a cause are not merged.

    >>> here, there = (
    ...     Finding("not moving", "note", f"m/{name}/bias", f"m/{name}", 3, 1, f"The bias of {name} did not move.", cause="any")
    ...     for name in ("one", "two")
    ... )
    >>> [finding] = merge_findings([here, there])
    >>> finding.message, [location.key for location in finding.locations]
    ('The bias of one did not move. The same was found in 1 other layer: two.', ['m/one/bias', 'm/two/bias'])
    """
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for number, finding in enumerate(findings):
        cause = (finding.rule, finding.severity, finding.cause) if finding.cause else (number,)
        groups.setdefault(cause, []).append(finding)
    return [_merge_group(group) for group in groups.values()]


def _merge_group(group: Sequence[Finding]) -> Finding:
    first = group[0]
    locations = tuple(
        Location(each.key, each.layer, each.message, each.axis_entries, each.keys or (each.key,)) for each in group
    )
    if len(group) == 1:
        return replace(first, locations=locations)
    return replace(
        first,
        message=f"{first.message} {_others_text(first, group[1:])}",
        keys=tuple(dict.fromkeys(key for each in locations for key in each.keys)),
        evidence=MappingProxyType(dict(first.evidence) | {"locations": float(len(group))}),
        locations=locations,
    )


def _others_text(first: Finding, rest: Sequence[Finding]) -> str:
    layers = [path for path in dict.fromkeys(each.layer for each in rest) if path != first.layer]
    if not layers:
        return f"The same was found in {len(rest)} more of its weights."
    return (
        f"The same was found in {len(layers)} other layer{'s' * (len(layers) > 1)}: {join_names([*map(layer_name, layers)])}."
    )
