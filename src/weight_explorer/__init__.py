"""See every weight of a Keras model, live in JupyterLab, while it learns."""

import importlib
import importlib.metadata
import typing

if typing.TYPE_CHECKING:
    from weight_explorer.explorer import WeightExplorer as WeightExplorer

    __version__: str

__all__ = ["WeightExplorer", "__version__"]


def __getattr__(name: str) -> typing.Any:
    # Loaded when asked for: the pure parts work without Keras and without widgets.
    if name == "WeightExplorer":
        return importlib.import_module("weight_explorer.explorer").WeightExplorer
    if name == "__version__":
        return importlib.metadata.version("weight-explorer")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
