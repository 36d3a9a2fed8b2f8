"""A heat table as Python: its cells are written out, or read from the saved table."""

from __future__ import annotations

import numpy as np

from weight_explorer.panels import colors
from weight_explorer.panels.codes.matrix import extent_of
from weight_explorer.panels.codes.python import MOST_NUMBERS, calls, csv_lines, literal, plain
from weight_explorer.panels.figures.heat import row_labels
from weight_explorer.views.origins import Origins
from weight_explorer.views.pictures import HeatPicture


def write_heat(picture: HeatPicture, name: str, _: Origins, csv_name: str) -> list[str]:
    """Write the lines that draw a table of weights by records: values that are not known are NaN."""
    seen, shades = picture.seen_cells, picture.shades
    values = picture.values()[seen.top : seen.bottom, seen.left : seen.right]
    low, high = (_bound(picture, cell) for cell in (shades.low, shades.high))
    map_name = colors.DIVERGING if shades.is_diverging else colors.SEQUENTIAL
    places, names = row_labels(picture)
    labels = [text for _, text in picture.ticks]
    return [
        *_values(values, csv_name),
        *_shown(picture),
        "",
        'figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")',
        *calls("axes", set_title=name, set_xlabel=picture.columns[0].name),
        f'colormap = plt.get_cmap("{map_name}").with_extremes(bad="white")',
        f"image = axes.imshow(shown, cmap=colormap, vmin={low!r}, vmax={high!r}, extent={extent_of(picture)},",
        '                    interpolation="nearest", aspect="auto")',
        "zero = np.where(values == 0, 1.0, np.nan)",
        f'axes.imshow(zero, cmap="gray", vmin=0, vmax=2, aspect="auto", extent={extent_of(picture)})',
        f"axes.set_yticks({places}, {names}, fontsize=6{plain(*names)})",
        f"axes.set_xticks({[column for column, _ in picture.ticks]}, {labels})",
        *_troubles(picture),
        "bar = figure.colorbar(image, ax=axes)",
        *calls("bar", set_label=_bar_words(picture)),
    ]


def _values(values: np.ndarray, csv_name: str) -> list[str]:
    if values.size <= MOST_NUMBERS:
        return [f"values = {literal(values)}"]
    return [*csv_lines(csv_name), "values = np.array([[float(cell or 'nan') for cell in line[1:]] for line in lines])"]


def _shown(picture: HeatPicture) -> list[str]:
    if picture.tops is not None:
        return [
            "shown = np.where(np.isfinite(values), values, np.nan)",
            "shown = shown / np.fmax.reduce(shown, axis=1, keepdims=True)",
        ]
    if picture.shades.is_log:
        return ["shown = np.log10(np.where((values > 0) & np.isfinite(values), values, np.nan))"]
    return ["shown = np.where(values > 0, values, np.nan)"]


def _bound(picture: HeatPicture, cell: float) -> float:
    shades = picture.shades
    return float(round(cell + shades.offset, 9)) if shades.is_log else float(cell)


def _bar_words(picture: HeatPicture) -> str:
    if picture.tops is not None:
        return f"{picture.shades.label}, as a share of the row's largest"
    return f"log10 of {picture.shades.label}" if picture.shades.is_log else f"{picture.shades.label}{picture.shades.unit}"


def _troubles(picture: HeatPicture) -> list[str]:
    lines = []
    for severity in dict.fromkeys(trouble.severity for trouble in picture.troubles):
        places = [(trouble.column, trouble.row) for trouble in picture.troubles if trouble.severity == severity]
        color = colors.TROUBLES[severity]
        lines.append(f'axes.plot(*zip(*{places}), "^", color="{color}", label="{severity}")')
    return [*lines, *(['axes.legend(loc="lower right", bbox_to_anchor=(1, 1), frameon=False)'] if lines else [])]
