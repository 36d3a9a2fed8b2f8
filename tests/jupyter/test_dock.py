"""The panel can be kept beside the notebook where the package sidecar is, and says how to have it where it is not."""

import sys

import pytest

from weight_explorer import WeightExplorer
from weight_explorer.jupyter.dock import ANCHORS


@pytest.fixture
def explorer(dense_model):
    explorer = WeightExplorer(dense_model)
    yield explorer
    explorer.close()


def test_without_sidecar_it_says_how_to_install_it(explorer, monkeypatch):
    monkeypatch.setitem(sys.modules, "sidecar", None)
    with pytest.raises(ImportError, match=r'pip install "weight-explorer\[dock\]"'):
        explorer.dock()


def test_an_unknown_place_is_answered_with_the_nearest(explorer):
    with pytest.raises(ValueError, match="Did you mean 'below'"):
        explorer.dock("belo")


@pytest.mark.parametrize("where", ANCHORS)
def test_the_panel_itself_is_put_where_it_is_wanted_once(where, explorer, capsys):
    sidecar = pytest.importorskip("sidecar")
    explorer.dock()
    first = explorer._dock._sidecar
    explorer.dock(where)
    second = explorer._dock._sidecar
    assert isinstance(second, sidecar.Sidecar)
    assert (second.title, second.anchor) == ("dense_model", ANCHORS[where])
    (output,) = second.outputs
    assert output["data"]["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.model_id
    assert first.comm is None  # it is moved
    explorer.close()
    assert second.comm is None
