"""Findings, with output as text, as a table in a notebook and as a pandas DataFrame."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

SEVERITIES = ("error", "warning", "note")
_TEXT_WIDTH = 128
_MAX_CELL_WIDTH = 40  # characters of a layer path in text output


@dataclass(frozen=True, slots=True)
class AxisEntries:
    """Entries along one axis of a weight. One `AxisEntries` per axis, with one entry each, describes a single element."""

    axis: int
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """One place that a finding applies to: the weight, its layer, the message, and the affected entries.

    Attributes:
        key: The key of the weight.
        layer: The path of its layer.
        message: A plain description of what was found.
        axis_entries: The affected entries of the weight.
        keys: The keys of all weights that the message is about.
    """

    key: str
    layer: str
    message: str
    axis_entries: tuple[AxisEntries, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem or fact found in a recorded training. One finding has one cause but can apply to several weights.

    Attributes:
        rule: The name of the rule that found it.
        severity: "error", "warning", or "note" for a fact that is not a problem.
        key: The key of the weight, or of the first weight that the finding applies to.
        layer: The path of its layer.
        record_number: The number of the record that the finding describes.
        epoch: The epoch that the record is in or ends, numbered as in the Keras output. 0 before the first epoch.
        message: A plain description of what was found.
        evidence: The numbers that support the finding.
        keys: The keys of all weights that the finding applies to.
        axis_entries: The affected entries of the weight.
        suggestion: What usually helps, or "".
        reference: The source of the threshold or the suggestion, or "".
        cause: A code for the cause. Findings of one rule with the same cause and severity are merged. Findings without a code
            are not merged.
        locations: Where it was found, in the order of the tree: one entry per layer or weight.
    """

    rule: str
    severity: str
    key: str
    layer: str
    record_number: int
    epoch: int
    message: str
    evidence: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    keys: tuple[str, ...] = ()
    axis_entries: tuple[AxisEntries, ...] = ()
    suggestion: str = ""
    reference: str = ""
    cause: str = ""
    locations: tuple[Location, ...] = field(default=(), repr=False)

    def for_weight(self, key: str) -> Finding:
        """Return the finding for one of its weights.

        >>> here, there = Location("m/a", "m", "a stands still."), Location("m/b", "m", "b stands still.")
        >>> finding = Finding("not moving", "warning", "m/a", "m", 4, 2, "a and b stand still.", locations=(here, there))
        >>> finding.for_weight("m/b").message
        'b stands still.'
        """
        found = next((each for each in self.locations if key in (each.key, *each.keys)), None)
        if found is None:
            return self
        places = found.axis_entries if key == found.key else ()
        return replace(self, key=found.key, layer=found.layer, message=found.message, axis_entries=places)

    @property
    def messages(self) -> Mapping[str, str]:
        """The message for each weight, by key.

        >>> places = Location("m/a", "m", "a stands still."), Location("m/b", "m", "b and c do.", keys=("m/b", "m/c"))
        >>> Finding("not moving", "warning", "m/a", "m", 4, 2, "All stand still.", locations=places).messages
        {'m/a': 'a stands still.', 'm/b': 'b and c do.', 'm/c': 'b and c do.'}
        """
        if not self.locations:
            return dict.fromkeys(self.keys or (self.key,), self.message)
        found: dict[str, str] = {}
        for location in self.locations:
            for key in location.keys or (location.key,):
                found.setdefault(key, location.message)
        return found

    @property
    def text(self) -> str:
        """The message, followed by the suggestion."""
        return f"{self.message} {self.suggestion}".strip()


class Findings(tuple[Finding, ...]):
    """A sequence of findings, most severe first.

    >>> finding = Finding("not finite", "error", "m/out/bias", "m/out", 4, 2, "The bias of out holds NaN.")
    >>> print(Findings([finding]))
    1 finding: 1 error
    severity  rule        layer  epoch  finding
    error     not finite  m/out  2      The bias of out holds NaN.
    >>> Findings().to_frame().shape
    (0, 12)
    """

    __slots__ = ()

    @property
    def severity_summary(self) -> str:
        """The number of findings of each severity, such as `3 warnings, 1 note`."""
        counts = {severity: sum(each.severity == severity for each in self) for severity in SEVERITIES}
        return ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count)

    @property
    def summary(self) -> str:
        """The total number of findings, and the number of each severity."""
        return f"{len(self)} finding{'s' if len(self) > 1 else ''}: {self.severity_summary}" if self else "Nothing was found."

    def to_frame(self) -> pd.DataFrame:
        """Return a DataFrame with one row per finding. `keys` is a tuple, `evidence` a dict of numbers, `locations` a count."""
        import pandas as pd  # noqa: PLC0415 - the import takes 0.4 s and only this function needs it

        columns = ("severity", "rule", "layer", "key", "record_number", "epoch", "message", "suggestion", "reference", "keys")
        rows = [
            {name: getattr(each, name) for name in columns}
            | {"evidence": dict(each.evidence), "locations": len(each.locations)}
            for each in self
        ]
        return pd.DataFrame(rows, columns=[*columns, "evidence", "locations"])

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        names, *rows = self._table()
        rows = [names, *(tuple(map(_shorten, row[:-1])) + row[-1:] for row in rows)] if rows else []
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
        return "\n".join([self.summary, *(_format_row(row, widths) for row in rows)])

    def _repr_html_(self) -> str:
        names, *rows = self._table()
        head = "".join(f"<th>{name}</th>" for name in names)
        body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if self else ""
        return f"<p>{self.summary}</p>{table}"

    def _table(self) -> list[tuple[str, ...]]:
        """Return the column names, then one row per finding. Locations are counted only if a finding has several."""
        has_many = any(len(each.locations) > 1 for each in self)
        names = tuple(name for name in _COLUMNS if name != "locations" or has_many)
        return [names, *(tuple(_COLUMNS[name](each) for name in names) for each in self)]


EMPTY_FINDINGS = Findings()


@dataclass(frozen=True, slots=True, eq=False)
class DiagnosisResult:
    """Findings, and the number of the newest record they take into account. None if nothing was examined yet."""

    findings: Findings = EMPTY_FINDINGS
    record_number: int | None = None


NO_DIAGNOSIS = DiagnosisResult()


_COLUMNS: Mapping[str, Callable[[Finding], str]] = MappingProxyType(
    {
        "severity": lambda finding: finding.severity,
        "rule": lambda finding: finding.rule,
        "layer": lambda finding: finding.layer,
        "locations": lambda finding: str(len(finding.locations) or 1),
        "epoch": lambda finding: str(finding.epoch),
        "finding": lambda finding: finding.text,
    }
)


def _shorten(cell: str) -> str:
    """Return the end of a long path, because the end names the layer."""
    return cell if len(cell) <= _MAX_CELL_WIDTH else f"…{cell[1 - _MAX_CELL_WIDTH :]}"


def _format_row(row: tuple[str, ...], widths: list[int]) -> str:
    head = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + "  "
    lines = textwrap.wrap(row[-1], max(_TEXT_WIDTH - len(head), 40))
    return "\n".join((head if i == 0 else " " * len(head)) + line for i, line in enumerate(lines))
