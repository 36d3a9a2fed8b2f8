"""Figures write labels in any script: with an installed font that has its characters, or a box and a word about it."""

import warnings

import keras
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from keras import layers
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import fontManager

from weight_explorer import WeightExplorer
from weight_explorer.pictures.fonts import MISSING_CHARACTER, MISSING_CHARACTERS_NOTE

PRICE, SIZE = "价格", "大小"


def install(path, family, characters):
    """Install a font of these characters, each of which is a square."""
    names = [f"glyph{i}" for i in range(len(characters))]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap({ord(character): name for character, name in zip(characters, names, strict=True)})
    pen = TTGlyphPen(None)
    for i, corner in enumerate([(100, 0), (100, 700), (800, 700), (800, 0)]):
        (pen.lineTo if i else pen.moveTo)(corner)
    pen.closePath()
    square = pen.glyph()
    builder.setupGlyf(dict.fromkeys([".notdef", *names], square))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (900, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=800, usWeightClass=400)
    builder.setupPost()
    builder.save(path)
    fontManager.addfont(path)


@pytest.fixture
def fonts(tmp_path, monkeypatch):
    """Fonts that a test installs, beside those of matplotlib alone: the machine may have any."""
    own = [font for font in fontManager.ttflist if "matplotlib" in font.fname]
    monkeypatch.setattr(fontManager, "ttflist", own)
    return lambda family, characters: install(tmp_path / f"{family}.ttf", family, characters)


@pytest.fixture
def explorer():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(2, name="out")], name="net")
    explorer = WeightExplorer(
        model, labels={("out", "units"): [PRICE, SIZE], ("out", "input_dim"): ["a", "\N{GREEK SMALL LETTER BETA}"]}
    )
    explorer.select("out", role="kernel")
    return explorer


def drawn(explorer):
    """Draw the figure without a warning; return the labels of its columns, its caption, and the families of the first label."""
    figure = explorer.figure()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(figure).draw()
    labels = figure.axes[0].get_xticklabels()
    return [label.get_text() for label in labels], figure.texts[-1].get_text().replace("\n", " "), labels[0].get_fontfamily()


def test_an_installed_font_that_has_the_characters_is_used(fonts, explorer):
    fonts("Some Chinese", PRICE + SIZE)
    labels, caption, families = drawn(explorer)
    assert labels == [PRICE, SIZE]
    assert families[-1] == "Some Chinese"
    assert MISSING_CHARACTER not in caption


def test_several_fonts_share_the_characters(fonts, explorer):
    fonts("Large", PRICE + SIZE[0])
    fonts("Small", SIZE[1])
    labels, caption, families = drawn(explorer)
    assert labels == [PRICE, SIZE]
    assert families[-2:] == ["Large", "Small"]
    assert MISSING_CHARACTER not in caption


def test_where_no_font_has_them_boxes_are_drawn_and_said_once_to_be(fonts, explorer):
    fonts("Some Chinese", PRICE)
    labels, caption, _ = drawn(explorer)
    assert labels == [PRICE, 2 * MISSING_CHARACTER]
    assert caption.count(MISSING_CHARACTERS_NOTE) == 1


def test_labels_are_whole_in_what_is_exported(fonts, explorer):
    assert PRICE in explorer.to_csv()
    assert MISSING_CHARACTER not in explorer.to_csv()


@pytest.mark.parametrize("view", ["units", "compare", "over_time", "spectrum"])
def test_every_kind_of_picture_is_drawn_without_a_warning(fonts, explorer, view):
    model = explorer._source.model
    model.layers[0].kernel.assign_add(np.ones((2, 2)))
    explorer.select("out", role="kernel", view=view)
    figure = explorer.figure()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(figure).draw()


def test_plain_letters_have_the_usual_font(dense_model):
    explorer = WeightExplorer(dense_model)
    explorer.select("hidden", role="kernel")
    families = {tuple(text.get_fontfamily()) for text in explorer.figure().texts}
    assert families == {("sans-serif",)}
