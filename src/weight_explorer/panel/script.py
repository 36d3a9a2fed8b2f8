"""What is on screen as a short script: lines that read the numbers, and plain matplotlib calls that picture them."""

from __future__ import annotations

import math
import pprint
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from weight_explorer.catalog.schema import IndexTuple, Weight, format_index
from weight_explorer.panel.state import PanelState
from weight_explorer.pictures.data import ChartPicture, MatrixPicture, RankingPicture
from weight_explorer.recording.history import History
from weight_explorer.views import compare, distribution, initializer, spectrum, units
from weight_explorer.views.array_source import quantity_lines, record_lines
from weight_explorer.views.axis_labels import axis_parts, groupings, with_window
from weight_explorer.views.choice import Choice
from weight_explorer.views.filters import filters_view
from weight_explorer.views.options import ON, ViewOption
from weight_explorer.views.over_time import curves, over_time_view
from weight_explorer.views.overview import overview_view
from weight_explorer.views.overview.measures import MEASURES
from weight_explorer.views.ranking import MAX_ROWS
from weight_explorer.views.reading import chosen_record, kept_records, start_record

# Phases in which the model is as it was at the newest record.
STILL = ("before", "refused", "unseen", "finished", "stopped", "interrupted")
# Views that show values, whatever quantity is chosen.
OF_VALUES = (compare.VIEW, initializer.VIEW)
LINE_LENGTH = 100


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """What the script is of."""

    weight: Weight
    history: History
    choice: Choice
    picture: Any
    is_live: bool

    def chosen(self, option: ViewOption) -> str:
        return option.chosen(self.weight, self.history, self.choice)

    def read(self, quantity: str = "") -> list[str]:
        """Write the lines that read `values`, of the chosen quantity or another; none where no values are kept."""
        choice = replace(self.choice, quantity=quantity or self.choice.quantity)
        return quantity_lines(self.weight, self.history, choice, is_live=self.is_live)

    def read_beside(self, *numbers: int | None) -> tuple[list[str], list[str]]:
        """Write the lines that read `values` and, where no change is shown, the start and other records; and their names."""
        kept, shown = kept_records(self.weight, self.history), chosen_record(self.weight, self.history, self.choice)
        others: set[int] = set()
        if shown is not None and self.choice.quantity == "value":
            others = {start_record(self.weight, self.history, shown), *numbers} & {*kept} - {shown}
        lines, names = self.read(), ["values"]
        for number in sorted(others):
            names.append(f"record_{number}")
            lines += record_lines(names[-1], self.weight, self.history, number)
        return lines, names


def script_of(scene: PanelState, history: History, choice: Choice) -> str:
    """Write a script that runs wherever `model` and `explorer` are defined.

    It reads exactly the numbers on screen and pictures them plainly. Comments say what the panel shows beyond that.
    """
    weight = scene.resolved.weight or overview_view.ALL_WEIGHTS
    choice = replace(choice, quantity="value") if scene.view in OF_VALUES else choice
    write = _WRITERS.get(scene.view, _matrix if isinstance(scene.picture, MatrixPicture) else _histogram)
    body = write(_Subject(weight, history, choice, scene.picture, scene.phase in STILL))
    imports = ["import matplotlib.pyplot as plt", *(["import numpy as np"] if any("np." in line for line in body) else [])]
    comment = f"{scene.name}. The panel says: {scene.picture.caption}"
    comments = textwrap.wrap(comment, LINE_LENGTH, initial_indent="# ", subsequent_indent="# ")
    title = f"plt.suptitle({scene.name!r}{_plain(scene.name)})"
    return "\n".join([*imports, "", *comments, *body, title, "plt.show()", ""])


def _plain(*texts: str) -> str:
    """Write the argument by which matplotlib does not read dollar signs as math."""
    return ", parse_math=False" if "$" in "".join(texts) else ""


def _image(cells: str, limit: float) -> str:
    limit = limit or 1.0
    return f'plt.imshow({cells}, cmap="RdBu_r", vmin={-limit:.4g}, vmax={limit:.4g}, aspect="auto")'


def _arranged(shape: Sequence[int], split: Sequence[int], order: Sequence[int], result: Sequence[int]) -> str:
    """Write how an array is split into more axes, how these are ordered, and which shape comes of it.

    >>> _arranged((3, 3, 8, 16), (3, 3, 8, 16), (2, 0, 3, 1), (24, 48))
    '.transpose(2, 0, 3, 1).reshape(24, 48)'
    >>> _arranged((5, 4), (5, 4), (1, 0), (4, 5)), _arranged((6,), (6,), (0,), (1, 6))
    ('.T', '.reshape(1, 6)')
    """
    written = ""
    if tuple(order) != tuple(range(len(order))):
        written = "" if tuple(split) == tuple(shape) else f".reshape{tuple(split)}"
        written += ".T" if tuple(order) == (1, 0) else f".transpose{tuple(order)}"
        shape = [split[axis] for axis in order]
    return written if tuple(shape) == tuple(result) else f"{written}.reshape({', '.join(map(str, result))})"


# -- images --------------------------------------------------------------------------------------------------------------


def _laid_out(picture: MatrixPicture, shape: tuple[int, ...]) -> str:
    """Write how an array is laid out as rows and columns."""
    fixed, left = dict(picture.fixed_indexes), sorted(picture.axis_order)
    index = f"[{', '.join(str(fixed.get(axis, ':')) for axis in range(len(shape)))}]" if fixed else ""
    sizes = [shape[axis] for axis in left]
    return index + _arranged(sizes, sizes, [left.index(axis) for axis in picture.axis_order], picture.size)


def _matrix(subject: _Subject) -> list[str]:
    picture: MatrixPicture = subject.picture
    is_sorted = picture.row_order is not None or picture.column_order is not None
    is_marked = picture.viewport or picture.pins or picture.frozen or picture.selected
    rows, columns = (" x ".join(axis.name for axis in side) for side in (picture.rows, picture.columns))
    return [
        *subject.read(),
        f"cells = values{_laid_out(picture, subject.weight.shape)}",
        *(["# Here rows and columns are in the array's own order."] if is_sorted else []),
        *(["# The panel also marks some of the elements, or zooms in on them."] if is_marked else []),
        _image("cells", picture.color_limit),
        "plt.colorbar()",
        *(f"plt.{call}({names!r})" for call, names in (("xlabel", columns), ("ylabel", rows)) if names),
    ]


def _compare(subject: _Subject) -> list[str]:
    weight, history, picture = subject.weight, subject.history, subject.picture
    step = history.get_record(chosen_record(weight, history, subject.choice) or 0)
    other, number = compare.compared_weight(weight, history, subject.choice, step) if step else (weight, None)
    read = [*subject.read(), *(record_lines("other", other, history, number) if number is not None else [])]
    dots = 'plt.plot(other.ravel(), values.ravel(), ".")'
    if isinstance(picture, ChartPicture):
        return [*read, dots]
    matrix = picture.pictures[0][1]
    return [
        *read,
        "for place, cells in enumerate((values, other, values - other), 1):",
        "    plt.subplot(2, 2, place)",
        f"    {_image(f'cells{_laid_out(matrix, weight.shape)}', matrix.limit)}",
        "plt.subplot(2, 2, 4)",
        dots,
    ]


def _filters(subject: _Subject) -> list[str]:
    """Write which part of `values` each tile is: some axes are fixed at an index, the others run within the tile."""
    picture, shape, places = subject.picture, subject.weight.shape, [tile.indexes for tile in subject.picture.tiles]
    fixed, running = ([axis for axis, at in enumerate(places[0]) if (at is None) == runs] for runs in (False, True))
    looped = [axis for axis in fixed if len({at[axis] for at in places}) > 1] or fixed[-1:]
    names = dict(zip(looped, "ijkl", strict=False))
    index = ", ".join(names.get(axis, ":" if at is None else str(at)) for axis, at in enumerate(places[0]))
    sides, sizes = (*picture.rows, *picture.columns), [shape[axis] for axis in running]
    # Channels that are not drawn one by one run last: as colors, or to be taken together.
    channels = [axis for axis in running if axis not in sides]
    result = (*picture.cells.shape[1:3], *(shape[axis] for axis in channels))
    tile = f"values[{index}]{_arranged(sizes, sizes, [running.index(axis) for axis in (*sides, *channels)], result)}"
    limit, count = float(picture.color_limits.max()), len(places)
    ways = {
        "rgb": f"plt.imshow(np.clip(0.5 + {tile} / {2 * limit or 1.0:.4g}, 0, 1))",
        "norm": _image(f"np.linalg.norm({tile}, axis=-1)", limit),
        "mean": _image(f"{tile}.mean(axis=-1)", limit),
    }
    indexes = [tuple(at[axis] for axis in looped) if len(looped) > 1 else at[looped[0]] for at in places]
    target = f"({', '.join(names.values())})" if len(looped) > 1 else "i"
    across = min(count, math.ceil(math.sqrt(2 * count)))
    return [
        *subject.read(),
        f"places = {pprint.pformat(indexes, width=LINE_LENGTH, compact=True)}",
        f"for place, {target} in enumerate(places, 1):  # {', '.join(picture.axes[axis].name for axis in looped)}",
        f"    plt.subplot({math.ceil(count / across)}, {across}, place)",
        f"    {ways[subject.chosen(filters_view.CHANNELS)] if channels else _image(tile, limit)}",
        "    plt.title(places[place - 1], fontsize=6)",
        '    plt.axis("off")',
    ]


# -- charts --------------------------------------------------------------------------------------------------------------


def _histogram(subject: _Subject) -> list[str]:
    read, names = subject.read_beside(subject.choice.against)
    charts = subject.picture.charts if isinstance(subject.picture, ChartPicture) else ()
    edges = next((mark.x.tolist() for chart in charts for mark in chart.marks if mark.kind == "steps"), [])
    return [
        *read,
        f"bins = np.linspace({edges[0]}, {edges[-1]}, {len(edges)})" if edges else "bins = 50",
        *(f'plt.hist({name}[np.isfinite({name})], bins, alpha=0.5, label="{name}")' for name in names),
        "plt.legend()",
    ]


def _distribution(subject: _Subject) -> list[str]:
    form = subject.chosen(distribution.FORM)
    if form == "histogram" and subject.read():
        is_split = subject.chosen(distribution.BLOCKS) not in ("", distribution.TOGETHER)
        return [*(["# The panel draws each block by itself."] if is_split else []), *_histogram(subject)]
    number = distribution.shown_number(subject.weight, subject.history, subject.choice)
    ways = {
        "ridges": "plt.plot(histograms.edges[1:], histograms.counts.T)",
        "percentiles": "plt.plot(histograms.record_numbers, histograms.quantiles())",
        "histogram": f"plt.stairs(histograms.counts[histograms.record_numbers == {number}][0], histograms.edges)",
    }
    return [f"histograms = explorer.history.histograms({subject.weight.variable_key!r})", ways[form]]


def _over_time(subject: _Subject) -> list[str]:
    lines = subject.chosen(over_time_view.LINES)
    statistic = "mean" if lines == "pins" else subject.chosen(over_time_view.STATISTIC)
    quantity, formula = _FORMULAS.get(statistic, ("", f'rows["{statistic}"]'))
    if statistic == "update_ratio":
        formula = 'rows["norm"] / explorer.history.statistics(key, "value", part)["norm"]'
    quantity = quantity or subject.choice.quantity
    against = f", against={subject.choice.against}" if quantity == "since_record" else ""
    draw = [
        f'rows = explorer.history.statistics(key, "{quantity}", part{against})',
        f"plt.plot(rows.positions, {formula}, label=name)",
    ]
    if statistic == over_time_view.SPREAD:
        draw[1:] = [f'plt.plot(rows.positions, rows["{name}"], label="{name}")' for name in ("minimum", "mean", "maximum")]
    elif share := curves.STATISTICS[statistic].quantile:
        draw = [
            "rows = explorer.history.histograms(key)",
            f"plt.plot(rows.record_numbers, rows.quantiles([{share}]), label=name)",
        ]
    found = [f"{name!r}, {key!r}, {_index(index)}" for name, key, index in _lines(subject, lines)]
    loop = ["lines = [", *(f"    ({line})," for line in found), "]", "for name, key, part in lines:"]
    draw = [f"name, key, part = {found[0]}", *draw] if len(found) == 1 else [*loop, *(f"    {line}" for line in draw)]
    return [
        "# The panel also draws the spread and the ends of epochs, and the loss or the size of each change below.",
        *draw,
        "plt.legend()",
    ]


def _lines(subject: _Subject, lines: str) -> list[tuple[str, str, IndexTuple]]:
    """Return what is drawn over time: its name, the key of a weight, and the index of a part of it."""
    weight, history = subject.weight, subject.history
    if lines == "pins":
        return [
            (curves.pin_name(weight, index), weight.variable_key, index) for index in curves.pins_of(weight, subject.choice)
        ]
    several = {"blocks": curves.weight_blocks, "layer": curves.weights_of_layer, "role": curves.weights_of_role}
    found = several[lines](weight, history) if lines in several else {weight.name: weight}
    return [(name, each.variable_key, each.index) for name, each in curves.largest(found, weight).items()]


def _index(index: IndexTuple) -> str:
    return f"np.s_[{format_index(index)}{',' * (len(index) == 1)}]" if index else "()"


def _spectrum(subject: _Subject) -> list[str]:
    rows, columns, grouping = spectrum.sides_of(subject.weight)
    sizes = [part.size for part in axis_parts(subject.weight.axes)]
    turned = _arranged(subject.weight.shape, sizes, (*grouping.own, *grouping.other), (rows.size, columns.size))
    svd = f"np.linalg.svd({{}}{turned}, {{}})"
    if isinstance(subject.picture, RankingPicture):
        number = subject.chosen(spectrum.VECTOR)
        read = [*subject.read(), f"left, sizes, right = {svd.format('values', 'full_matrices=False')}"]
        return [*read, *_bars(subject.picture, f"left[:, {number}]", f"right[{number}]")]
    read, names = subject.read_beside()
    return [
        *read,
        "# The panel also draws what is expected of a random matrix.",
        *(f'plt.plot({svd.format(name, "compute_uv=False")}, label="{name}")' for name in names),
        "plt.legend()",
    ]


# -- rankings ------------------------------------------------------------------------------------------------------------


def _units(subject: _Subject) -> list[str]:
    weight, by, grouping = subject.weight, subject.chosen(units.BY), groupings(subject.weight)[subject.chosen(units.RANK)]
    if subject.chosen(units.WINDOW) == ON:
        grouping = with_window(weight, grouping)
    sizes = [part.size for part in axis_parts(weight.axes)]
    rest = tuple(i for i in range(len(sizes)) if i not in (*grouping.own, *grouping.other))
    own, other, others = (math.prod(sizes[i] for i in places) for places in (grouping.own, grouping.other, rest))
    shape = [own, *([other] if grouping.other else []), *([others] if others > 1 else [])]
    together = "{}.mean(axis={})" if by == "value" else "np.linalg.norm({}, axis={})"
    numbers = [together.format("rows", "(1, 2)" if len(shape) > 2 else 1) if other * others > 1 else "rows.ravel()"]
    if grouping.other:
        ranking = subject.picture.rankings[0]
        unit = f"rows[{ranking.pick_values[ranking.picked_row]}]"
        numbers.append(together.format(unit, 1) if others > 1 else unit)
    read = subject.read("since_start" if by == "change" else "")
    read = read or [*subject.read(), "values = 0 * values  # the start: nothing has changed yet"]
    rows = f"rows = values{_arranged(weight.shape, sizes, (*grouping.own, *grouping.other, *rest), shape)}"
    return [*read, rows, *_bars(subject.picture, *numbers, by="-numbers" if by == "value" else "-np.abs(numbers)")]


def _bars(picture: RankingPicture, *numbers: str, by: str = "-np.abs(numbers)") -> list[str]:
    """Write rankings beside each other, of all the numbers that are ranked and what they are sorted by."""
    return [
        "rankings = {",
        *(f"    {ranking.title!r}: {python}," for ranking, python in zip(picture.rankings, numbers, strict=True)),
        "}",
        "for place, (title, numbers) in enumerate(rankings.items(), 1):",
        f'    order = np.argsort({by}, kind="stable")[:{MAX_ROWS}]',
        f"    plt.subplot(1, {len(numbers)}, place)",
        "    plt.barh(order.astype(str), numbers[order])",
        "    plt.gca().invert_yaxis()",
        f"    plt.title(title{_plain(*(ranking.title for ranking in picture.rankings))})",
    ]


# -- all weights ---------------------------------------------------------------------------------------------------------

# How a statistic comes of the recorded ones where it is not one of them: the quantity, "" for the chosen one, and the formula.
_FORMULAS = {
    "update_ratio": ("since_last", 'rows["update_ratio"]'),
    "batch_ratio": ("since_last", 'rows["update_ratio"]'),
    "change": ("since_last", 'rows["norm"]'),
    "largest_change": ("since_last", 'rows["largest"].abs()'),
    "moved": ("since_last", '100 * rows["moved"] / rows["count"]'),
    "since_start": ("since_start", 'rows["norm"] / rows["key"].map(frame.groupby("key")["norm"].first())'),
    "zeros": ("", '100 * rows["zeros"] / rows["count"]'),
    "infs": ("", 'rows["positive_infs"] + rows["negative_infs"]'),
    "broken": ("", 'rows["nans"] + rows["positive_infs"] + rows["negative_infs"]'),
}


def _overview(subject: _Subject) -> list[str]:
    name = subject.chosen(overview_view.STATISTIC)
    quantity, formula = _FORMULAS.get(name, ("", f'rows["{name}"]'))
    measure = MEASURES[name]
    return [
        "# The panel also marks what was found"
        + (", and divides by the batches between records." if measure.per_batch else "."),
        "frame = explorer.history.to_frame()",
        f'rows = frame[(frame["quantity"] == "{quantity or "value"}") & (frame["role"] != "seed state")]',
        'rows = rows[(rows["kind"] != "epoch") | ~rows.duplicated(["key", "position"])]  # what repeats the last batch',
        f"rows = rows.assign(shown={formula})",
        'table = rows.pivot(index="key", columns="step", values="shown").reindex(rows["key"].unique())',
        f'plt.imshow({"np.log10(table.where(table > 0))" if measure.is_log else "table"}, aspect="auto")',
        f"plt.yticks(range(len(table)), table.index{_plain(*subject.picture.keys)})",
        f"plt.colorbar(label={('log10 of ' if measure.is_log else '') + measure.label!r})",
    ]


_WRITERS: dict[str, Callable[[_Subject], list[str]]] = {
    compare.VIEW: _compare,
    filters_view.VIEW: _filters,
    distribution.VIEW: _distribution,
    over_time_view.VIEW: _over_time,
    units.VIEW: _units,
    spectrum.VIEW: _spectrum,
    overview_view.VIEW: _overview,
}
