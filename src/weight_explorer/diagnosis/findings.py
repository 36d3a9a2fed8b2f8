"""A finding, and several of them as text, as a table in a notebook and as a frame."""

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
_MAX_CELL_WIDTH = 40  # characters of a layer's path in text


@dataclass(frozen=True, slots=True)
class AxisEntries:
    """Entries along one axis of a weight. One place for each axis, of one entry each, is a single element."""

    axis: int
    entries: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Location:
    """One weight that a finding is true of: its key, its layer, what was found there, and which of its entries.

    Attributes:
        key: The weight.
        layer: Path of its layer.
        message: What was found there, in plain words.
        axis_entries: Which entries of the weight.
        keys: All weights that the sentence is about.
    """

    key: str
    layer: str
    message: str
    axis_entries: tuple[AxisEntries, ...] = ()
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found in a training: one cause, however many weights it is true of.

    Attributes:
        rule: The name of the rule that found it.
        severity: "error", "warning", or "note" for what is true and no trouble.
        key: The weight, or the first of those that it is true of.
        layer: Path of its layer.
        record_number: Number of the record that it is said of.
        epoch: The epoch that record lies in or ends, as Keras printed it; 0 before the first.
        message: What was found, in plain words.
        evidence: The numbers behind it.
        keys: All weights that it is true of.
        axis_entries: Which entries of the weight.
        suggestion: What usually helps, or "".
        reference: Where the threshold or the cure comes from, or "".
        cause: A code. What one rule finds with the same cause and severity is one finding; without a code it stays by itself.
        locations: Where it was found, in the order of the tree: one entry for each layer or weight.
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
        """Return the finding as it is true of one weight.

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
        """What was found in each weight, by its key.

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
        """The sentence, and what usually helps."""
        return f"{self.message} {self.suggestion}".strip()


class Findings(tuple[Finding, ...]):
    """Findings, the gravest first.

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
        """How many there are of each severity, such as `3 warnings, 1 note`."""
        counts = {severity: sum(each.severity == severity for each in self) for severity in SEVERITIES}
        return ", ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items() if count)

    @property
    def summary(self) -> str:
        """How many there are in all, and of each severity."""
        return f"{len(self)} finding{'s' if len(self) > 1 else ''}: {self.severity_summary}" if self else "Nothing was found."

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each finding; `keys` is a tuple, `evidence` a dict of numbers, `locations` a count."""
        import pandas as pd  # noqa: PLC0415 - takes 0.4 s, and only this function needs it

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
        """Return the names of the columns, then a row for each finding; locations are counted only where one has several."""
        has_many = any(len(each.locations) > 1 for each in self)
        names = tuple(name for name in _COLUMNS if name != "locations" or has_many)
        return [names, *(tuple(_COLUMNS[name](each) for name in names) for each in self)]


EMPTY_FINDINGS = Findings()


@dataclass(frozen=True, slots=True, eq=False)
class DiagnosisResult:
    """Findings, and the number of the newest record that they know of, None where nothing was examined yet."""

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
    """Return the end of a long path: it names the layer."""
    return cell if len(cell) <= _MAX_CELL_WIDTH else f"…{cell[1 - _MAX_CELL_WIDTH :]}"


def _format_row(row: tuple[str, ...], widths: list[int]) -> str:
    head = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) + "  "
    lines = textwrap.wrap(row[-1], max(_TEXT_WIDTH - len(head), 40))
    return "\n".join((head if i == 0 else " " * len(head)) + line for i, line in enumerate(lines))
