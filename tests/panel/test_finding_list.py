"""One finding for one cause on every screen: below a picture, in the list of all findings, in the tree, and as text."""

import numpy as np
import pytest

from tests.views.test_overview import Model, scene_of
from weight_explorer.diagnosis.findings import SEVERITIES, DiagnosisResult, Finding, Findings
from weight_explorer.diagnosis.merging import merge_findings
from weight_explorer.panel.widgets.findings import MAX_LINKS_OF_WEIGHT, FindingsWidget, findings_section
from weight_explorer.views.choice import Choice

NUM_LAYERS = 53
LAYERS = [f"dense_{i}" for i in range(NUM_LAYERS)]
KEYS = [f"m/{layer}/{role}" for layer in LAYERS for role in ("kernel", "bias")]


def finding(layer, *roles, severity="warning", cause="learning rate 0"):
    keys = tuple(f"m/{layer}/{role}" for role in roles)
    words = f"The {' and '.join(roles)} of {layer} did not move."
    return Finding(
        "not moving", severity, keys[0], f"m/{layer}", 3, 2, words, keys=keys, suggestion="Compile again.", cause=cause
    )


FLOOD = Findings(
    [
        *merge_findings(finding(layer, "kernel", "bias") for layer in LAYERS),
        *merge_findings(finding("dense_0", role, severity="note", cause="small") for role in ("kernel", "bias")),
    ]
)


@pytest.fixture(scope="module")
def model():
    return Model(*KEYS, shape=(2, 2)).train(3)


def scene_at(model, layer="m/dense_7", findings=FLOOD, **choice):
    return scene_of(model, Choice(layer=layer, **choice), examined=DiagnosisResult(findings, 2))


def test_below_a_picture_stands_the_sentence_of_that_weight_and_how_many_other_layers_have_the_same(model):
    (shown,) = scene_at(model).weight_findings
    assert shown.text == "The kernel and bias of dense_7 did not move. Compile again."
    assert shown.elsewhere == "Also in 52 other layers."
    assert [link.key for link in shown.others] == [f"m/{layer}/kernel" for layer in LAYERS if layer != "dense_7"]
    assert [link.name for link in shown.others[:2]] == ["dense_0 / kernel", "dense_1 / kernel"]


@pytest.mark.parametrize(("layers", "words"), [(["dense_7"], ""), (["dense_7", "dense_8"], "Also in 1 other layer.")])
def test_other_places_are_counted_and_where_there_are_none_nothing_is_said(model, layers, words):
    (shown,) = scene_at(model, findings=Findings(merge_findings(finding(layer, "kernel") for layer in layers))).weight_findings
    assert shown.elsewhere == words


def test_several_weights_of_a_layer_are_counted_as_weights(model):
    both = Findings(merge_findings(finding(layer, role) for layer in LAYERS[:2] for role in ("kernel", "bias")))
    (shown,) = scene_at(model, "m/dense_0", both).weight_findings
    assert shown.elsewhere == "Also in 3 other weights."
    assert [link.name for link in shown.others] == ["dense_0 / bias", "dense_1 / kernel", "dense_1 / bias"]


def test_the_list_has_one_entry_for_a_cause_with_all_its_places(model):
    flood, small = scene_at(model).finding_list.entries
    assert (flood.severity, flood.location, flood.key) == ("warning", "dense_0 and 52 other layers", "m/dense_0/kernel")
    assert flood.sentence == "The kernel and bias of dense_0 did not move."
    assert [link.key for link in flood.others] == [f"m/{layer}/kernel" for layer in LAYERS[1:]]
    assert (small.severity, small.location) == ("note", "dense_0 and 1 other weight")
    assert scene_at(model).finding_list.counts == "1 warning, 1 note"


def test_the_tree_marks_every_layer_that_a_finding_is_about(model):
    severities = dict(zip(model.catalog.nodes, scene_at(model).activity.severities, strict=True))
    assert {SEVERITIES[each] for path, each in severities.items() if path != "m"} == {"warning"}


def test_the_panel_gets_the_list_for_every_selection_and_a_place_for_it_only_in_the_overview(model):
    panel = FindingsWidget()
    panel.show(scene_at(model).finding_list)
    assert (panel.is_list, panel.counts, panel.num_more) == (False, "1 warning, 1 note", 0)
    assert [len(entry["places"]) for entry in panel.entries] == [52, 1]
    assert panel.entries[0]["places"][0] == ["dense_1 / kernel", "m/dense_1/kernel"]
    panel.show(scene_at(model, "m", overview=True).finding_list, is_list=True)
    assert panel.is_list


def test_what_is_sent_to_the_page_is_bounded_and_the_rest_is_counted():
    wide = Model(*(f"m/layer_{i}/kernel" for i in range(1500)), shape=(1,)).train(1)
    paths = [f"layer_{i}" for i in range(1500)]
    flood = Findings(
        [found for cause in "ab" for found in merge_findings(finding(path, "kernel", cause=cause) for path in paths)]
    )
    scene = scene_at(wide, "m/layer_0", flood)
    section = findings_section(scene.weight_findings)
    assert [len(each["places"]) for each in section["found"]] == [MAX_LINKS_OF_WEIGHT] * 2
    assert section["found"][0]["more"] == f"and {1499 - MAX_LINKS_OF_WEIGHT} more: explorer.findings"
    panel = FindingsWidget()
    panel.show(scene.finding_list)
    assert [(len(entry["places"]), entry["num_more"]) for entry in panel.entries] == [(1499, 0), (501, 998)]


def test_text_and_table_have_a_row_for_each_finding_and_count_its_locations():
    text = str(FLOOD).splitlines()
    assert text[0] == "2 findings: 1 warning, 1 note"
    assert text[1].split() == ["severity", "rule", "layer", "locations", "epoch", "finding"]
    assert [line.split()[4] for line in text if line.startswith(("warning", "note"))] == ["53", "2"]
    assert "dense_1, dense_2, dense_3, dense_4, dense_5, dense_6, dense_7 and 45 more." in " ".join(str(FLOOD).split())
    assert max(map(len, text)) <= 128
    assert FLOOD._repr_html_().count("<tr>") == 3
    assert "<th>locations</th>" in FLOOD._repr_html_()
    assert list(FLOOD.to_frame()["locations"]) == [53, 2]


def test_locations_are_not_counted_where_every_finding_has_one():
    found = Findings(merge_findings([finding("dense_0", "kernel")]))
    assert "locations" not in str(found)
    assert "locations" not in found._repr_html_()


def test_a_long_path_takes_a_bounded_part_of_a_line_and_ends_with_its_layer():
    path = "/".join(f"block_{i}" for i in range(30))
    lines = str(Findings([finding(path, "kernel")])).splitlines()
    assert max(len(line.split("finding")[0]) for line in lines[1:2]) < 80
    assert "block_28/block_29  2" in lines[2]
    assert "…" in lines[2]


def test_a_finding_says_for_each_weight_what_was_found_there():
    sentences = FLOOD[0].messages
    assert len(sentences) == len(KEYS)
    assert sentences["m/dense_9/bias"] == sentences["m/dense_9/kernel"] == "The kernel and bias of dense_9 did not move."
    assert np.unique(list(sentences.values())).size == NUM_LAYERS
