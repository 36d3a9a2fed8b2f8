"""The brush and the marks of what is frozen in Chromium, without a kernel: drags, keys, and pixels."""

import numpy as np
import pytest

from tests.browser.test_matrix_module import answer_windows, at, canvas_box, hover, update, zoom_in
from tests.browser.test_modules import LONG_TASK, drawing_time, mount, mount_picture, readout, settle
from tests.records import history_of
from tests.views.test_matrix import chosen, index_at, labeled, looking
from tests.views.test_selection import with_frozen
from tests.views.test_views import CONV_NAMES, weight_of
from weight_explorer.pictures import sections
from weight_explorer.recording.freeze_checks import FrozenPart
from weight_explorer.views.choice import Choice
from weight_explorer.views.matrix import matrix_view
from weight_explorer.views.selection import selected_elements, selection_from_json


def drag(page, start, end, *, key="Shift"):
    """Drag between two places of the canvas, with a key held down."""
    if key:
        page.keyboard.down(key)
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, *end), steps=3)
    page.mouse.up()
    if key:
        page.keyboard.up(key)


def brush_of(page, weight):
    """What the kernel was told last."""
    page.wait_for_function("model.saved.length && model.saved.at(-1).brush")
    return selection_from_json({weight.key: weight}, page.evaluate("model.saved.at(-1).selection"))


def answer(page, weight, history, choice=None):
    """Draw with what was brushed, as the kernel does."""
    picture = matrix_view.draw(weight, history, choice or Choice(selection=brush_of(page, weight)))
    update(page, picture)
    page.evaluate("model.set('selection', '')")
    settle(page)
    return picture


def pixels(page, x, y, width, height):
    """Red, green and blue of a piece of the canvas, of shape (height, width, 3)."""
    code = "([x, y, w, h]) => [...document.querySelector('canvas').getContext('2d').getImageData(x, y, w, h).data]"
    settle(page)
    return np.array(page.evaluate(code, [x, y, width, height])).reshape(height, width, 4)[..., :3]


@pytest.mark.parametrize(
    "options", [{}, {"rows": "norm", "columns": "norm"}, {"rows": "label", "columns": "similarity"}], ids=str
)
@pytest.mark.parametrize(
    ("shape", "names", "ends"),
    [
        ((9,), None, ((120, 75), (260, 80))),
        ((5, 9), None, ((120, 60), (260, 100))),
        ((3, 3, 2, 4), CONV_NAMES, ((120, 60), (260, 100))),
        ((2, 3, 2, 2, 2), None, ((75, 60), (105, 100))),
    ],
    ids=str,
)
def test_a_drag_selects_what_lies_between_its_ends_in_every_order(page, shape, names, ends, options):
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    weight, history = labeled(shape, names), history_of(values)
    picture = matrix_view.draw(weight, history, chosen(**options))
    mount_picture(page, picture)
    indexes = [hover(page, *end)[0] for end in ends]
    places = {index_at(picture, *place): place for place in np.ndindex(*picture.cells.shape)}
    (top, left), (bottom, right) = (places[index] for index in indexes)
    drag(page, *ends)
    expected = np.zeros(shape, bool)
    for place in np.ndindex(bottom - top + 1, right - left + 1):
        expected[index_at(picture, top + place[0], left + place[1])] = True
    np.testing.assert_array_equal(selected_elements(weight, brush_of(page, weight)).mask, expected)
    assert page.evaluate("model.state.pin") == ""
    assert page.evaluate("asked") == 1


def test_a_drag_backwards_and_beyond_the_cells_selects_to_their_edge(page):
    weight = weight_of((30, 900))  # more columns than pixels
    mount_picture(page, matrix_view.draw(weight, history_of(np.ones((30, 900), np.float32)), Choice()))
    box = canvas_box(page)
    drag(page, (box["width"] - 140, 230), (5, 5))
    chosen_mask = selected_elements(weight, brush_of(page, weight)).mask
    assert chosen_mask[0, 0]
    page.evaluate("model.set('selection', '')")
    drag(page, (200, 60), (box["width"] + 200, 600))
    assert selected_elements(weight, brush_of(page, weight)).mask[-1, -1]


def test_a_reduced_cell_stands_for_all_its_elements_also_in_sorted_rows(page):
    shape = (1200, 700)
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    weight, history = weight_of(shape), history_of(values)
    picture = matrix_view.draw(weight, history, chosen(rows="norm"))
    mount_picture(page, picture)
    drag(page, (200, 100), (200, 100))
    brush = brush_of(page, weight)
    assert len(brush.rows) % 3 == 0  # of three rows to a cell
    assert len(brush.columns) % 2 == 0
    cells = {int(place) // 3 for place in np.flatnonzero(np.isin(picture.row_order, brush.rows))}
    assert len(cells) * 3 == len(brush.rows)


def test_what_is_selected_closely_is_of_the_whole_weight(page):
    shape = (3000, 900)
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    weight, history = weight_of(shape), history_of(values)
    whole = matrix_view.draw(weight, history, Choice())
    near = matrix_view.draw(weight, history, looking(Choice(), whole, 2000, 2010, 300, 312))
    mount_picture(page, near)
    indexes = [hover(page, *end)[0] for end in ((150, 80), (250, 120))]
    drag(page, (150, 80), (250, 120))
    mask = selected_elements(weight, brush_of(page, weight)).mask
    (top, left), (bottom, right) = indexes
    expected = np.zeros(shape, bool)
    expected[top : bottom + 1, left : right + 1] = True
    np.testing.assert_array_equal(mask, expected)


def test_the_select_button_makes_dragging_select_and_a_click_selects_one_cell(page):
    weight = weight_of((6, 8))
    mount_picture(page, matrix_view.draw(weight, history_of(np.ones((6, 8), np.float32)), Choice()))
    button = page.get_by_role("button", name="select cells")
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    page.wait_for_function("document.querySelector('button[aria-pressed=true]')")
    drag(page, (150, 100), (150, 100), key=None)
    assert brush_of(page, weight).count == 1
    assert page.evaluate("model.state.pin") == ""
    page.evaluate("model.set('selection', '')")
    settle(page)
    page.locator("canvas").focus()
    page.keyboard.press("Escape")
    page.wait_for_function("!document.querySelector('button[aria-pressed=true]')")


def test_shift_and_arrows_select_from_the_cell_they_began_at_and_escape_clears(page):
    weight, history = weight_of((6, 8)), history_of(np.ones((6, 8), np.float32))
    mount_picture(page, matrix_view.draw(weight, history, Choice()))
    page.locator("canvas").focus()
    for key in ("ArrowDown", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    readout(page, "rows 0 to 1 by columns 1 to 3: 6 elements")
    page.evaluate("model.set('selection', '')")  # the answer to what was asked first
    page.wait_for_function("model.saved.length === 2")
    assert np.argwhere(selected_elements(weight, brush_of(page, weight)).mask).tolist() == [
        [i, j] for i in (0, 1) for j in (1, 2, 3)
    ]
    answer(page, weight, history)
    readout(page, "axis 0 0 to 1 by axis 1 1 to 3: 6 elements")
    page.keyboard.press("Escape")
    page.wait_for_function("model.saved.at(-1).brush === 'null'")
    answer(page, weight, history)
    page.wait_for_function("!document.querySelector('.we-matrix-readout').textContent.includes('elements')")
    assert set(page.evaluate("leaked")) <= {"Shift"}


def test_a_selection_is_outlined_and_stays_when_numbers_change(page):
    values = np.zeros((6, 8), np.float32)
    weight, history = weight_of((6, 8)), history_of(values, values + 1)
    mount_picture(page, matrix_view.draw(weight, history, Choice(record=0)))
    plain = pixels(page, 0, 0, 560, 270)
    drag(page, (150, 100), (250, 160))
    readout(page, "by columns")
    choice = Choice(record=0, selection=brush_of(page, weight))
    answer(page, weight, history, choice)
    marked = (pixels(page, 0, 0, 560, 270) != plain).any(axis=2)
    update(page, matrix_view.draw(weight, history, Choice(record=1, selection=choice.selection)))
    readout(page, "Selected: axis 0 ")
    rows, columns = np.nonzero(marked)
    inner = marked[rows.min() + 8 : rows.max() - 8, columns.min() + 8 : columns.max() - 8]
    assert not inner.any()  # an outline, and nothing within
    assert min(np.ptp(rows), np.ptp(columns)) > 50


def test_another_weight_is_shown_without_the_selection(page):
    weight, history = weight_of((6, 8)), history_of(np.ones((6, 8), np.float32))
    mount_picture(page, matrix_view.draw(weight, history, Choice()))
    drag(page, (150, 100), (250, 160))
    readout(page, "by columns")
    update(page, matrix_view.draw(weight_of((5, 7)), history_of(np.ones((5, 7), np.float32)), Choice()))
    page.mouse.move(*at(page, 2, 2))
    readout(page, "Click pins,")


def test_frozen_cells_are_hatched_and_keep_their_color_and_are_counted(page):
    values = np.full((12, 40), 0.25, np.float32)
    values[0, 0] = -0.5
    mask = np.zeros((12, 40), bool)
    mask[6:, 20:] = True
    weight, history = weight_of((12, 40)), history_of(values)
    mount_picture(page, matrix_view.draw(weight, history, Choice()))
    plain = pixels(page, 0, 0, 560, 270)
    update(page, matrix_view.draw(weight, with_frozen(history, mask), Choice()))
    after = pixels(page, 0, 0, 560, 270)
    changed = (after != plain).any(axis=2)
    changed[:, 480:] = False  # but for the legend
    rows, columns = np.nonzero(changed)
    area = changed[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert 0.15 < area.mean() < 0.5  # lines with their color between them
    assert read_frozen(page, int(columns.max()) - 10, int(rows.max()) - 10) == "frozen"
    assert read_frozen(page, int(columns.min()) - 30, int(rows.max()) - 10) == ""
    assert "120 of 480 elements are frozen" in page.locator("canvas").get_attribute("aria-label")


def read_frozen(page, x, y):
    hover(page, x, y)
    return page.locator(".we-matrix-readout").text_content().partition(" · ")[2]


def test_what_is_frozen_is_hatched_from_afar_and_closely(page):
    shape = (3000, 900)
    values = np.zeros(shape, np.float32)
    mask = np.zeros(shape, bool)
    mask[1500:, :] = True
    mask[0, 0] = True
    weight, history = weight_of(shape), with_frozen(history_of(values), mask)
    whole = matrix_view.draw(weight, history, Choice())
    mount_picture(page, whole)
    assert read_frozen(page, 200, 230).endswith("frozen")
    assert read_frozen(page, 200, 60) == ""
    zoom_in(page, 250, 150, 20)
    answer_windows(page, lambda window: matrix_view.draw(weight, history, looking(Choice(), whole, *window)))
    for y in (60, 240):
        index, _ = hover(page, 250, y)
        assert read_frozen(page, 250, y) == ("frozen" if mask[index] else "")


def test_a_layer_that_does_not_train_is_said_to_be_frozen_and_not_hatched(page):
    weight, history = weight_of((6, 8)), history_of(np.ones((6, 8), np.float32))
    mount_picture(page, matrix_view.draw(weight, history, Choice()))
    plain = pixels(page, 40, 30, 300, 200)
    history.frozen_parts = (FrozenPart("w", "its layer is frozen", 0),)
    update(page, matrix_view.draw(weight, history, Choice()))
    np.testing.assert_array_equal(pixels(page, 40, 30, 300, 200), plain)
    assert read_frozen(page, 150, 100) == "frozen"


def test_a_scattered_mask_of_512_by_512_cells_makes_no_long_task(page):
    random = np.random.default_rng(1)
    values, mask = random.normal(size=(512, 512)).astype(np.float32), random.random((512, 512)) < 0.5
    weight, history = weight_of((512, 512)), with_frozen(history_of(values), mask)
    mount_picture(page, matrix_view.draw(weight, history, Choice()))
    assert drawing_time(page, "frozen") < LONG_TASK


def test_the_proof_has_a_mark_and_words_and_a_problem_is_no_matter_of_color_alone(page):
    lines = [
        sections.check_line(words, state) for words, state in (("0 of 3 moved", "held"), ("Problem: 1 of 3 moved", "moved"))
    ]
    mount(page, "details", sections=lines, label="frozen elements")
    assert page.locator(".we-check").all_text_contents() == ["✓ 0 of 3 moved", "⚠ Problem: 1 of 3 moved"]
    assert page.get_by_role("group", name="frozen elements").count() == 1
