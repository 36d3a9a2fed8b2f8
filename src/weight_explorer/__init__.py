"""See every weight of a Keras model, live in JupyterLab, while it learns."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weight_explorer.explorer import WeightExplorer as WeightExplorer

__all__ = ["WeightExplorer"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the pure parts work without Keras and without widgets.
    if name in __all__:
        return getattr(import_module("weight_explorer.explorer"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
