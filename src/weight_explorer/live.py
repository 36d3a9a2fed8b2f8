"""How a kernel delivers clicks, also while a cell runs. The only home of private Jupyter names.

JupyterLab sends what the user does to a *subshell*, a thread of its own in the kernel (ipykernel 7 and later), so a click is
handled while the main thread is inside `fit`. Two threads then touch the widgets, hence the lock in `answer_clicks`.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from threading import RLock
from typing import Any

import ipywidgets


def answer_clicks(widget: ipywidgets.Widget, lock: RLock, after: Callable[[], None]) -> None:  # type: ignore[valid-type]
    """Have a widget's messages from the browser handled at once, one at a time, and call `after` when each is applied.

    Args:
        widget: A widget that the user can touch or whose state the browser may send back.
        lock: Held while a message is applied, as it must be while anything else writes to the widgets: traitlets is not
            thread safe, and one thread inside `set_state` makes another's update of a different trait vanish.
        after: Called outside the lock.
    """
    comm: Any = widget.comm
    if comm is None:
        return
    # ipykernel 7.4.0 sends a message to the thread that last published on its comm, which is the main thread after each
    # update of ours: clicks would wait for the end of the cell. Other versions do not ask for this attribute.
    comm._reply_subshell_for = _keep_subshell  # noqa: SLF001
    handle = widget._handle_msg  # noqa: SLF001 - where ipywidgets takes every message in

    @functools.wraps(handle)
    def handle_alone(message: Any) -> None:
        with _swiftly():
            with lock:
                handle(message)
            after()

    comm.on_msg(handle_alone)


# While a click is answered: seconds that a thread may go on in Python while another waits for its turn. By itself it is 0.005,
# so that `fit` would hold up an answer by that much at each of its dozen messages.
SWITCH_INTERVAL = 0.0005


@contextlib.contextmanager
def _swiftly() -> Iterator[None]:
    """Have threads take turns more often, until an answer is on its way."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_INTERVAL))
    try:
        yield
    finally:
        sys.setswitchinterval(before + 1e-7)  # whole microseconds are kept of it, rounded down


def _keep_subshell(data: Any, default: Any) -> Any:  # noqa: ARG001 - ipykernel's signature
    return default


def answers_during_cells() -> bool:
    """Whether this kernel can handle clicks while a cell runs; True where there is no kernel to ask."""
    kernel = _kernel()
    return kernel is None or bool(getattr(kernel, "_supports_kernel_subshells", False))


def is_in_kernel() -> bool:
    """Whether this runs in a kernel, so that there may be a page that shows what is drawn."""
    return _kernel() is not None


def call_after_cell(callback: Callable[[bool], None]) -> bool:
    """Call back once when the running cell has ended, saying whether without an error; returns whether there is a cell.

    Ctrl-C or an error inside `fit` never reaches Keras' `on_train_end`; IPython's event tells all the same.
    """
    shell = _shell()
    if shell is None:
        return False

    def ended(result: Any = None) -> None:
        shell.events.unregister("post_run_cell", ended)
        callback(bool(getattr(result, "success", True)))

    shell.events.register("post_run_cell", ended)
    return True


def display_bundle(bundle: dict[str, Any], display_id: str, *, update: bool = False) -> None:
    """Show a bundle of mime types in the running cell, or renew it wherever it was shown before."""
    from IPython.display import display  # noqa: PLC0415 - a plain script needs no IPython

    display(bundle, raw=True, display_id=display_id, update=update)


def _kernel() -> Any:
    return getattr(_shell(), "kernel", None)


def _shell() -> Any:
    from IPython.core.getipython import get_ipython  # noqa: PLC0415

    return get_ipython()
