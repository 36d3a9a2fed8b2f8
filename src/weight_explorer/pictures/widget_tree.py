"""Closes widgets together with their children. ipywidgets closes only the widget itself and keeps layouts, marks and scales."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import ipywidgets


def close_with_children(*widgets: ipywidgets.Widget) -> None:
    """Close widgets and all their children. No other widget may use these children."""
    for widget in with_children(*widgets):
        widget.close()


def with_children(*widgets: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    """Return widgets and all widgets in their traits, recursively, each once.

    >>> from ipywidgets import HBox, IntSlider
    >>> sorted({type(widget).__name__ for widget in with_children(HBox([IntSlider()]))})
    ['HBox', 'IntSlider', 'Layout', 'SliderStyle']
    """
    found: dict[int, ipywidgets.Widget] = {}
    waiting = list(widgets)
    while waiting:
        widget = waiting.pop()
        if id(widget) not in found:
            found[id(widget)] = widget
            waiting += [
                part for name in widget.keys if widget.trait_has_value(name) for part in _widgets_in(getattr(widget, name))
            ]
    return list(found.values())


def _widgets_in(value: Any) -> Iterator[ipywidgets.Widget]:
    """Yield the widgets in the value of a trait."""
    if isinstance(value, ipywidgets.Widget):
        yield value
    elif isinstance(value, list | tuple | Mapping):
        parts: Iterable[Any] = value.values() if isinstance(value, Mapping) else value
        for part in parts:
            yield from _widgets_in(part)
