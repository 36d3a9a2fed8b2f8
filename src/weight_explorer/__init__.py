"""See every weight of a Keras model, live in JupyterLab, while it learns."""

import importlib
import typing

if typing.TYPE_CHECKING:
    from weight_explorer.explorer import WeightExplorer as WeightExplorer

__all__ = ["WeightExplorer", "__version__"]

# The build reads it from here. To look it up in the package's metadata would make this import three times as slow.
__version__ = "0.1.0"


def __getattr__(name: str) -> typing.Any:
    # Loaded when asked for: the pure parts work without Keras and without widgets.
    if name == "WeightExplorer":
        return importlib.import_module("weight_explorer.explorer").WeightExplorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
