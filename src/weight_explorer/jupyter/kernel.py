"""How a kernel delivers clicks, also while a cell runs. The only home of private Jupyter names.

JupyterLab sends what the user does to a *subshell*, a thread of its own in the kernel (ipykernel 7 and later), so a click is
handled while the main thread is inside `fit`. Two threads then touch the widgets, hence the lock in `answer_clicks`. In
ipykernel 6, which has none, the training itself lets clicks in between two batches (`MessagePump`). A page that sends nothing
to subshells, as VS Code, is known by how its messages come (`waits_for_cells`): it has to answer by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import RLock
from time import perf_counter
from typing import Any

import ipywidgets
from zmq import POLLIN


def answer_clicks(widget: ipywidgets.Widget, lock: RLock, on_handled: Callable[[], None]) -> None:  # type: ignore[valid-type]
    """Have a widget's messages from the browser handled at once, one at a time, and call `on_handled` when each is applied.

    Args:
        widget: A widget that the user can touch or whose state the browser may send back.
        lock: Held while a message is applied, as it must be while anything else writes to the widgets: traitlets is not
            thread safe, and one thread inside `set_state` makes another's update of a different trait vanish.
        on_handled: Called outside the lock.
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
        with _frequent_thread_switches():
            with lock:
                handle(message)
            on_handled()

    comm.on_msg(handle_alone)


# While a click is answered: seconds that a thread may go on in Python while another waits for its turn. By itself it is 0.005,
# so that `fit` would hold up an answer by that much at each of its dozen messages.
SWITCH_INTERVAL = 0.0005


@contextlib.contextmanager
def _frequent_thread_switches() -> Iterator[None]:
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
    return kernel is None or _has_subshells(kernel) or MessagePump.supports(kernel)


def waits_for_cells() -> bool:
    """Whether a message of the page that is being handled now would have had to wait, had a cell been running.

    A kernel that has subshells does not know whether the page sends to them: in VS Code, or where JupyterLab's setting says
    no, messages come on the thread that runs the cells.
    """
    is_pumped = not _has_subshells(_kernel()) and MessagePump.supports(_kernel())
    return _kernel() is not None and not is_pumped and threading.current_thread() is threading.main_thread()


def _has_subshells(kernel: Any) -> bool:
    return bool(getattr(kernel, "_supports_kernel_subshells", False))


# Seconds between two looks for clicks.
PUMP_INTERVAL = 0.1


class MessagePump:
    """Has clicks answered on the training's own thread, between two batches, by a kernel that has no subshells.

    Of what waits for the kernel it takes the messages of widgets; the others, such as cells to be run, keep their order.

    Args:
        kernel: The running kernel, one that it works with.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._next_time = 0.0

    @staticmethod
    def supports(kernel: Any) -> bool:
        """Whether the kernel is one that keeps its messages where they can be taken: ipykernel 6."""
        needed = ("shell_stream", "msg_queue", "dispatch_shell", "saved_sigint_handler", "_parent_ident", "get_parent")
        return all(hasattr(kernel, name) for name in needed) and hasattr(kernel.msg_queue, "get_nowait")

    def __call__(self) -> None:
        """Answer the clicks that wait, if it is time to look again and this is the thread that the kernel runs on."""
        if perf_counter() < self._next_time or threading.current_thread() is not threading.main_thread():
            return
        self._kernel.shell_stream.flush(POLLIN)
        others = []
        with contextlib.suppress(asyncio.QueueEmpty, queue.Empty), _restoring_parent(self._kernel):
            while True:
                item = self._kernel.msg_queue.get_nowait()
                if not self._handle_if_widget(*item[1:]):
                    others.append(item)
        for item in others:
            self._kernel.msg_queue.put_nowait(item)
        self._next_time = perf_counter() + PUMP_INTERVAL

    def _handle_if_widget(self, dispatch: Any, arguments: Any) -> bool:
        """Handle a message if it is a widget's; say whether it was."""
        if dispatch != self._kernel.dispatch_shell or not self._is_widget_message(*arguments):
            return False
        handling = dispatch(*arguments)
        with contextlib.suppress(StopIteration):
            while True:  # what handles such a message waits for nothing, so that it runs through
                handling.send(None)
        return True

    def _is_widget_message(self, frames: Any) -> bool:
        session = self._kernel.session
        header = session.unpack(session.feed_identities(frames, copy=False)[1][1].bytes)
        return str(header["msg_type"]).startswith("comm_")


@contextlib.contextmanager
def _restoring_parent(kernel: Any) -> Iterator[None]:
    """Have what is printed afterwards belong to the cell that runs, and Ctrl-C reach it, as before."""
    parent, identity, handler = kernel.get_parent("shell"), kernel._parent_ident["shell"], kernel.saved_sigint_handler  # noqa: SLF001
    try:
        yield
    finally:
        kernel.saved_sigint_handler = handler
        kernel.set_parent(identity, parent, channel="shell")


def make_message_pump() -> MessagePump | None:
    """Return what answers clicks between two batches, None where the kernel does so by itself or none can come."""
    kernel = _kernel()
    return MessagePump(kernel) if kernel is not None and not _has_subshells(kernel) and MessagePump.supports(kernel) else None


def is_in_kernel() -> bool:
    """Whether this runs in a kernel."""
    return _kernel() is not None


def may_have_page() -> bool:
    """Whether there may be a page that shows what is drawn: where there is no kernel, there is none."""
    return is_in_kernel()


def is_in_terminal() -> bool:
    """Whether this runs in IPython in a terminal, which shows text and no widgets."""
    shell = _shell()
    return shell is not None and getattr(shell, "kernel", None) is None


def call_after_every_cell(callback: Callable[[Any], None]) -> None:
    """Call a function whenever a cell has ended; nothing where there is no kernel, or it is called already."""
    if is_in_kernel():
        _shell().events.register("post_run_cell", callback)


def call_after_cell(callback: Callable[[bool], None]) -> bool:
    """Call a method once when the running cell has ended, saying whether without an error; returns whether there is a cell.

    What the method belongs to is not kept alive by that. Ctrl-C or an error inside `fit` never reaches Keras' `on_train_end`;
    IPython's event tells all the same.
    """
    shell = _shell()
    if shell is None:
        return False

    reference = weakref.WeakMethod(callback)

    def ended(result: Any = None) -> None:
        shell.events.unregister("post_run_cell", ended)
        if (method := reference()) is not None:
            method(bool(getattr(result, "success", True)))

    shell.events.register("post_run_cell", ended)
    return True


def display_bundle(bundle: dict[str, Any], display_id: str, *, update: bool = False) -> None:
    """Show a bundle of mime types in the running cell, or renew it wherever it was shown before."""
    from IPython.display import display  # noqa: PLC0415 - a plain script needs no IPython

    display(bundle, raw=True, display_id=display_id, update=update)


@dataclass(frozen=True, slots=True)
class CellRun:
    """One run of a cell: the cell as the front end names it, or by its code where it does not, and what tells runs apart."""

    cell_id: str
    message_id: str


def current_cell_run() -> CellRun | None:
    """Return the run of the cell that this is called by; None where there is no kernel, or no cell is what it works on."""
    kernel = _kernel()
    message = kernel.get_parent("shell") if kernel is not None else None
    if not message or message["header"]["msg_type"] != "execute_request":
        return None
    cell = message.get("metadata", {}).get("cellId") or message["content"]["code"]
    return CellRun(str(cell), str(message["header"]["msg_id"]))


class CellWatch:
    """Knows whether a cell is running, as far as IPython tells, which keeps no watch alive."""

    def __init__(self) -> None:
        self._is_running = _is_main_thread() and current_cell_run() is not None
        if is_in_kernel():
            _call_weakly("pre_run_cell", self._began)
            _call_weakly("post_run_cell", self._ended)

    def is_running_elsewhere(self) -> bool:
        """Whether a cell is running while another thread than that of the cells calls this, such as one that answers clicks."""
        return self._is_running and not _is_main_thread()

    def _began(self, *_: object) -> None:
        self._is_running = True

    def _ended(self, *_: object) -> None:
        self._is_running = False


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _call_weakly(event: str, method: Callable[..., None]) -> None:
    """Have IPython call a method at each event of a name, for as long as something else holds its object."""
    events, reference = _shell().events, weakref.WeakMethod(method)

    def call(*details: object) -> None:
        if (method := reference()) is not None:
            method(*details)
        else:
            events.unregister(event, call)

    events.register(event, call)


def hold(widget: ipywidgets.Widget) -> None:
    """Have ipywidgets keep a widget alive, as it does with every widget that was opened."""
    if widget.comm is not None:
        _register(widget, widget, widget._handle_msg)  # noqa: SLF001 - where ipywidgets takes every message in


def hold_weakly(widget: ipywidgets.Widget) -> None:
    """Have ipywidgets and IPython's `Out` no longer keep a widget alive; Python frees it once nothing else holds it."""
    if widget.comm is None:
        return
    reference = weakref.WeakMethod(widget._handle_msg)  # noqa: SLF001 - as above

    def handle(message: Any) -> None:
        if (method := reference()) is not None:
            method(message)

    _register(widget, weakref.proxy(widget), handle)
    _forget_output(widget)


def _register(widget: ipywidgets.Widget, entry: Any, handle: Callable[[Any], None]) -> None:
    """Enter a widget where ipywidgets keeps every one: its messages are handled, and a page that is loaded again shows it."""
    comm: Any = widget.comm
    comm.on_msg(handle)
    ipywidgets.widgets.widget._instances[widget.model_id] = entry  # noqa: SLF001 - there is no public way


def _forget_output(widget: ipywidgets.Widget) -> None:
    """Have IPython forget an output, which it would otherwise keep until the kernel ends, and with it all that it holds."""
    shell = _shell()
    outputs = [
        name for name, value in list(shell.user_ns_hidden.items()) if value is widget
    ]  # `_`, `_3`; no name of the user's
    for names in (shell.user_ns, shell.user_ns_hidden):
        _drop(widget, names, outputs)
    for memory in (shell.user_ns["_oh"], vars(shell.displayhook)):
        _drop(widget, memory, list(memory))
    if getattr(shell.last_execution_result, "result", None) is widget:
        shell.last_execution_result = None


def _drop(widget: ipywidgets.Widget, memory: dict[Any, Any], names: list[Any]) -> None:
    for name in names:
        if memory.get(name) is not widget:
            continue
        if isinstance(name, str) and not name.strip("_"):
            memory[name] = ""  # `_` and its like, as they are at first
        else:
            del memory[name]


def _kernel() -> Any:
    return getattr(_shell(), "kernel", None)


def _shell() -> Any:
    from IPython.core.getipython import get_ipython  # noqa: PLC0415

    return get_ipython()
