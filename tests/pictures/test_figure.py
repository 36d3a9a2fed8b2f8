"""Figures show what the browser shows: right way up, at the right indexes, with nothing hidden."""

import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from weight_explorer import WeightExplorer
from weight_explorer.catalog.schema import Axis, Block
from weight_explorer.pictures import colors
from weight_explorer.pictures.data import Chart, ChartPicture, EmptyPicture, Mark, MatrixPicture
from weight_explorer.pictures.figure import figure_png, make_figure


def matrix_picture(cells, rows=None, columns=None, steps=(1, 1)):
    rows = rows or (Axis("input_dim", cells.shape[0]),)
    columns = columns or (Axis("units", cells.shape[1]),)
    return MatrixPicture(cells, rows, columns, (0, 1), *steps, 1.0, "The value.")


def test_row_0_is_the_top_one_and_cells_stand_at_their_indexes():
    cells = np.zeros((3, 5), np.float32)
    cells[2, 4] = 1
    axes = make_figure(matrix_picture(cells), "title").axes[0]
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), cells)
    assert image.origin == "upper"
    assert list(image.get_extent()) == [-0.5, 4.5, 2.5, -0.5]
    assert axes.yaxis_inverted()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("units", "input_dim")


def test_blocks_are_named_and_windows_told_apart():
    gates = Axis("units", 4, "", (Block("input gate", 0, 2), Block("forget gate", 2, 4)))
    axes = make_figure(matrix_picture(np.zeros((2, 4), np.float32), columns=(gates,)), "title").axes[0]
    assert [text.get_text() for text in axes.texts] == ["input gate", "forget gate"]
    window = (Axis("filters", 2), Axis("kernel_width", 3))
    axes = make_figure(matrix_picture(np.zeros((2, 6), np.float32), columns=window), "title").axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1"]
    assert axes.lines[0].get_xdata()[0] == 2.5


@pytest.mark.parametrize(("value", "color"), [(np.nan, colors.NOT_A_NUMBER), (np.inf, colors.INFINITE)], ids=["nan", "inf"])
def test_special_numbers_have_their_color_in_the_picture(value, color):
    cells = np.zeros((4, 4), np.float32)
    cells[1, 2] = value
    picture = imread(io.BytesIO(figure_png(make_figure(matrix_picture(cells), "title"))))
    pixels = (picture[..., :3] * 255).round().astype(int).reshape(-1, 3)
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    assert (pixels == wanted).all(axis=1).sum() > 10


def test_charts_hold_the_numbers_of_their_marks():
    x, y = np.arange(3.0), np.array([1.0, 2.0, 4.0])
    line, band = Mark("line", "mean", "now", x, y), Mark("band", "spread", "now", x, y - 1, y + 1)
    steps = Mark("steps", "now", "now", np.arange(4.0), y)
    picture = ChartPicture((Chart("", "epochs", "weight", (line, band)), Chart("", "weight", "elements", (steps,))), "c")
    upper, lower = make_figure(picture, "title").axes
    np.testing.assert_array_equal(upper.lines[0].get_xydata(), np.column_stack([x, y]))
    assert upper.collections
    np.testing.assert_array_equal(lower.patches[0].get_data().values, y)


def test_names_that_look_like_mathematics_are_only_names():
    assert figure_png(make_figure(EmptyPicture("$\\bad{$"), "$\\bad{$")).startswith(b"\x89PNG")


def test_rules_ridges_and_long_legends_are_drawn_where_they_belong():
    rules = Mark("rules", "another fit begins", "fit", np.array([1.0, 2.0]), np.empty(0))
    lines = tuple(Mark("line", f"_layer {i}", f"series {i + 1}", np.arange(3.0), np.arange(3.0) + i) for i in range(8))
    ridges = Mark("ridges", "records", "now", np.arange(4.0), np.array([[1, 2, 2, 1], [0, 1, 2, 0.0]]))
    first, second = Chart("", "x", "y", (rules, *lines)), Chart("", "x", "y", (ridges,), y_ticks=((1.0, "start"), (0.0, "2")))
    upper, lower = make_figure(ChartPicture((first, second), "c", shared_axes=""), "title").axes
    assert [line.get_xdata()[0] for line in upper.lines[:2]] == [1, 2]
    assert len(upper.get_legend().get_texts()) == 9
    assert [line.get_linestyle() for line in upper.lines[2:]] == ["-"] * 6 + ["--"] * 2
    assert [label.get_text() for label in lower.get_yticklabels()] == ["start", "2"]
    assert len(lower.collections) == 4


def test_charts_side_by_side_share_their_axes():
    steps = [Mark("steps", "now", "now", np.arange(4.0) * (i + 1), np.ones(3) * (i + 1)) for i in range(3)]
    charts = tuple(Chart(str(i), "weight", "elements", (mark,)) for i, mark in enumerate(steps))
    axes = make_figure(ChartPicture(charts, "c", columns=2, shared_axes="xy"), "title").axes
    assert len({each.get_xlim() for each in axes[:3]}) == len({each.get_ylim() for each in axes[:3]}) == 1


def test_a_series_is_told_apart_on_light_and_dark_ground():
    def light(color):
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for color in colors.SERIES_COLORS:
        for ground in ("#ffffff", "#111111"):
            brighter, darker = sorted((light(color) + 0.05, light(ground) + 0.05), reverse=True)
            assert brighter / darker >= 3


def boxes_of(figure, artists):
    """Return where artists are drawn, in shares of the figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # which places them
    return [artist.get_window_extent(canvas.get_renderer()).transformed(figure.transFigure.inverted()) for artist in artists]


def test_nothing_of_a_figure_is_cut_off_or_under_another(dense_model, training_data):
    explorer = WeightExplorer(dense_model)
    dense_model.fit(*training_data, verbose=0, callbacks=[explorer.callback])
    explorer.select("hidden", role="kernel", view="units", by="change")
    figure = explorer.figure()
    numbers = [text for axes in figure.axes for text in axes.texts]
    assert numbers
    assert all(box.x1 <= 1 for box in boxes_of(figure, numbers))
    for view in ("initializer", "spectrum", "over_time"):
        explorer.select("hidden", role="kernel", view=view)
        figure = explorer.figure()
        (caption,) = boxes_of(figure, figure.texts[-1:])
        labels = boxes_of(figure, [axes.xaxis.label for axes in figure.axes if axes.get_xlabel()])
        assert labels
        assert all(box.y0 >= caption.y1 for box in labels), view


LARGE = {
    "3e5": np.linspace(3.1e5, 2.9e5, 9),
    "1e10": np.linspace(1e10, 3e10, 9),
    "close together": 1e10 + np.linspace(0, 3, 9),
    "tiny": np.linspace(1e-9, 3e-9, 9),
    "negative": np.linspace(-3e5, 1e5, 9),
    "usual": np.linspace(0, 1, 9),
}


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("values", LARGE.values(), ids=LARGE)
def test_numbers_beside_a_chart_are_whole_and_inside_the_picture(values, count):
    mark = Mark("line", "loss", "now", np.arange(9.0), values)
    figure = make_figure(ChartPicture(tuple(Chart("", "epoch", "loss", (mark,)) for _ in range(count)), "A caption."), "title")
    labels = [label for axes in figure.axes for label in (axes.yaxis.label, *axes.get_yticklabels())]
    boxes = boxes_of(figure, labels)
    assert all(box.x0 >= 0 for box in boxes)
    for axes in figure.axes:
        assert axes.yaxis.get_offset_text().get_text() == ""
        texts, places = zip(*((label.get_text(), label.get_position()[1]) for label in axes.get_yticklabels()), strict=True)
        written = [float(text.replace("\N{MINUS SIGN}", "-")) for text in texts]
        assert len(set(texts)) == len(texts)
        np.testing.assert_allclose(written, places, atol=np.diff(places).min() / 50)


@pytest.mark.parametrize("scale", [1e10, 3e5, 1.0, 1e-9])
def test_numbers_beside_a_color_bar_are_whole_and_inside_the_picture(scale):
    cells = np.random.default_rng(0).normal(size=(4, 5)) * scale
    figure = make_figure(replace(matrix_picture(cells), limit=float(np.abs(cells).max())), "title")
    bar = figure.axes[1]
    boxes = boxes_of(figure, [bar.yaxis.label, *bar.get_yticklabels()])
    assert all(box.x1 <= 1 for box in boxes)
    assert bar.yaxis.get_offset_text().get_text() == ""


def test_a_vector_has_no_ticks_beside_its_one_row(dense_model):
    explorer = WeightExplorer(dense_model)
    explorer.select("hidden", role="bias", view="matrix")
    axes = explorer.figure().axes[0]
    assert len(axes.get_yticks()) == 0
    assert len(axes.get_xticks()) > 0
