"""Fallback fonts for characters that the default font lacks, such as Chinese. Characters without a font become boxes."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

REGULAR = 400
# The font of matplotlib that has a box for every Unicode character.
LAST_RESORT = "Last Resort"
MISSING_CHARACTER = "\N{WHITE SQUARE}"
MISSING_CHARACTERS_NOTE = (
    f"{MISSING_CHARACTER} stands for characters that no installed font has: install one, such as Noto Sans CJK for Chinese."
)


def set_fallback_fonts(figure: Figure) -> bool:
    """Set fonts that cover all text in a figure. Return whether boxes replace some characters."""
    texts = {text: set(text.get_text()) - {"\n"} for text in figure.findobj(Text)}
    families = FontProperties().get_family()
    missing = _missing_characters(set().union(*texts.values()), _default_files(families))
    if not missing:
        return False
    fallbacks, lost = _fallbacks(missing)
    for text, characters in texts.items():
        if characters & missing:
            text.set_fontfamily([*families, *fallbacks])
    if lost:
        _replace_missing(figure, texts, lost)
    return bool(lost)


def _default_files(families: Iterable[str]) -> list[str]:
    return [findfont(FontProperties(family=[family])) for family in families]


def _missing_characters(characters: set[str], files: Iterable[str]) -> set[str]:
    """Return the characters that none of these fonts contain."""
    for file in files:
        characters = characters - _characters_of(file, characters)
    return characters


def _characters_of(file: str, characters: set[str]) -> set[str]:
    font = get_font(file)
    return {character for character in characters if font.get_char_index(ord(character))}


def _fallbacks(missing: set[str]) -> tuple[list[str], set[str]]:
    """Return the font families that contain missing characters, best coverage first, and the characters still missing."""
    # Prefer regular fonts among fonts with the same coverage.
    upright = (font for font in fontManager.ttflist if font.style == "normal" and not font.name.startswith(LAST_RESORT))
    fonts = sorted(upright, key=lambda font: font.weight != REGULAR)
    families: list[str] = []
    while missing:
        name, has = max(((font.name, _characters_of(font.fname, missing)) for font in fonts), key=lambda font: len(font[1]))
        if not has:
            break
        families.append(name)
        missing = missing - has
    return families, missing


def _replace_missing(figure: Figure, texts: Iterable[Text], missing: set[str]) -> None:
    boxes = str.maketrans(dict.fromkeys(missing, MISSING_CHARACTER))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        _replace_missing_in_ticks(axis, boxes)
    for text in texts:
        text.set_text(text.get_text().translate(boxes))


def _replace_missing_in_ticks(axis: Axis, replacements: dict[int, str]) -> None:
    """Replace missing characters in tick labels. The axis regenerates its labels each time it is drawn."""
    labels = [label.get_text() for label in axis.get_majorticklabels()]
    written = [label.translate(replacements) for label in labels]
    if written != labels:
        axis.set_ticklabels(written)
