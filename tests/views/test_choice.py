"""A choice is met by the model as it is; what is misspelt is answered with the nearest match."""

import pytest

from weight_explorer.catalog.lookup import check_option, find_layer
from weight_explorer.catalog.schema import Axis, Catalog, LayerNode, Weight
from weight_explorer.views.choice import Choice, resolve


def weight(key, role):
    return Weight(key, role, role, key.rpartition("/")[0], (2,), "float32", (Axis("units", 2),))


def leaf(path, *roles, part="", kind=""):
    keys = tuple(f"{path}/{role}" for role in roles)
    return LayerNode(path, path.rpartition("/")[2], "Dense", 2, parent_role=part, parent_role_kind=kind, weights=keys)


@pytest.fixture
def catalog():
    both = LayerNode(
        "m/both",
        "both",
        "Bidirectional",
        children=(
            leaf("m/both/f", "kernel", "recurrent", "bias", part="forward", kind="direction"),
            leaf("m/both/b", "kernel", "recurrent", "bias", part="backward", kind="direction"),
        ),
    )
    norm = leaf("m/norm", "moving mean", "gamma", "bias")
    root = LayerNode(
        "m",
        "m",
        "Sequential",
        children=(leaf("m/empty"), both, norm, LayerNode("m/x", "x", "Model", children=(leaf("m/x/both", "kernel"),))),
    )
    keys = [key for _, node in root.walk() for key in node.weights]
    return Catalog(root, {key: weight(key, key.rpartition("/")[2]) for key in keys})


def test_nothing_chosen_means_the_first_layer_with_weights(catalog):
    selection = resolve(catalog, Choice())
    assert selection.weight.key == "m/both/f/kernel"


def test_kernel_recurrent_and_bias_come_first_and_the_rest_as_the_layer_has_them(catalog):
    assert resolve(catalog, Choice(layer="m/both")).roles == ("kernel", "recurrent", "bias")
    assert resolve(catalog, Choice(layer="m/norm")).roles == ("bias", "moving mean", "gamma")


def test_a_wrapper_offers_all_weights_below_it_by_their_parts(catalog):
    selection = resolve(catalog, Choice(layer="m/both", role="bias"))
    assert [(offer.key, offer.label) for offer in selection.weight_items] == [
        ("m/both/f/bias", "forward"),
        ("m/both/b/bias", "backward"),
    ]
    assert selection.weight_menu_label == "direction"


def test_the_model_itself_offers_everything_of_a_role(catalog):
    selection = resolve(catalog, Choice(layer="m", role="kernel"))
    assert [offer.label for offer in selection.weight_items] == ["both / forward", "both / backward", "x / both"]
    assert selection.weight_menu_label == "weight"


def test_a_role_stays_where_the_next_layer_has_it_and_gives_way_where_not(catalog):
    assert resolve(catalog, Choice(layer="m/norm", role="bias")).role == "bias"
    assert resolve(catalog, Choice(layer="m/norm", role="recurrent")).role == "bias"


def test_a_layer_without_weights_selects_none(catalog):
    selection = resolve(catalog, Choice(layer="m/empty"))
    assert (selection.roles, selection.weight) == ((), None)


def test_what_was_chosen_and_is_gone_gives_way(catalog):
    assert resolve(catalog, Choice(layer="m/gone")).node.path == "m/both/f"


def test_layers_are_found_by_name_and_by_path(catalog):
    assert find_layer(catalog, "norm").path == "m/norm"
    assert find_layer(catalog, "m/both").path == "m/both"


def test_a_misspelt_layer_is_answered_with_the_nearest(catalog):
    with pytest.raises(ValueError, match=r"no layer 'nrom'. Did you mean 'norm'\?"):
        find_layer(catalog, "nrom")


def test_an_ambiguous_name_is_answered_with_the_paths(catalog):
    with pytest.raises(ValueError, match=r"2 layers are called 'both'.*'m/both', 'm/x/both'"):
        find_layer(catalog, "both")


def test_a_check_names_all_options():
    with pytest.raises(ValueError, match=r"Did you mean 'matrix'.*'matrix', 'distribution'"):
        check_option("view", "matrx", ["matrix", "distribution"])
