"""Delivers clicks to widgets, also while a cell runs. The only module that uses private Jupyter names.

JupyterLab sends user actions to a *subshell*, a separate thread in the kernel (ipykernel 7 and later), so a click is handled
while the main thread is inside `fit`. Two threads then access the widgets, which is why `answer_clicks` takes a lock. ipykernel
6 has no subshells: there, the training handles clicks between two batches (`MessagePump`). A front end that does not use
subshells, such as VS Code, is detected by the thread on which its messages arrive (`waits_for_cells`). Its page must answer
clicks without the kernel.
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
    """Handle a widget's messages from the browser immediately, one at a time, and call `on_handled` after each.

    Args:
        widget: A widget that the user can interact with, or whose state the browser may send back.
        lock: Held while a message is applied. Any other code that writes to the widgets must hold it too: traitlets is not
            thread-safe, and one thread inside `set_state` discards another thread's update of a different trait.
        on_handled: Called without the lock.
    """
    comm: Any = widget.comm
    if comm is None:
        return
    # ipykernel 7.4.0 sends a message to the thread that last published on its comm. After each of our updates, that is the main
    # thread, and clicks would wait for the end of the cell. Other versions do not use this attribute.
    comm._reply_subshell_for = _keep_subshell  # noqa: SLF001
    handle = widget._handle_msg  # noqa: SLF001 - ipywidgets handles every message here

    @functools.wraps(handle)
    def handle_alone(message: Any) -> None:
        with _frequent_thread_switches():
            with lock:
                handle(message)
            on_handled()

    comm.on_msg(handle_alone)


# The thread switch interval in seconds while a click is answered. With Python's default of 0.005, `fit` would delay an answer
# by that much at each of its dozen messages.
SWITCH_INTERVAL = 0.0005


@contextlib.contextmanager
def _frequent_thread_switches() -> Iterator[None]:
    """Make threads switch more often until the answer to a click has been sent."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_INTERVAL))
    try:
        yield
    finally:
        sys.setswitchinterval(before + 1e-7)  # Python rounds it down to whole microseconds


def _keep_subshell(data: Any, default: Any) -> Any:  # noqa: ARG001 - ipykernel's signature
    return default


def answers_during_cells() -> bool:
    """Return whether this kernel can handle clicks while a cell runs. True without a kernel."""
    kernel = _kernel()
    return kernel is None or _has_subshells(kernel) or MessagePump.supports(kernel)


def waits_for_cells() -> bool:
    """Return whether the page message that is being handled would have to wait if a cell were running.

    A kernel with subshells does not know whether the page uses them. In VS Code, or if a JupyterLab setting turns subshells
    off, messages arrive on the thread that runs the cells.
    """
    is_pumped = not _has_subshells(_kernel()) and MessagePump.supports(_kernel())
    return _kernel() is not None and not is_pumped and threading.current_thread() is threading.main_thread()


def _has_subshells(kernel: Any) -> bool:
    return bool(getattr(kernel, "_supports_kernel_subshells", False))


# Seconds between two checks for clicks.
PUMP_INTERVAL = 0.1


class MessagePump:
    """Answers clicks on the training thread between two batches, for a kernel without subshells.

    It handles only widget messages from the kernel's queue. Other messages, such as cells to run, keep their order.

    Args:
        kernel: The running kernel, which `supports` must accept.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._next_time = 0.0

    @staticmethod
    def supports(kernel: Any) -> bool:
        """Return whether the message queue of the kernel is accessible, as in ipykernel 6."""
        needed = ("shell_stream", "msg_queue", "dispatch_shell", "saved_sigint_handler", "_parent_ident", "get_parent")
        return all(hasattr(kernel, name) for name in needed) and hasattr(kernel.msg_queue, "get_nowait")

    def __call__(self) -> None:
        """Answer waiting clicks, if the next check is due and this is the kernel's main thread."""
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
        """Handle a message if it is for a widget, and return whether it was."""
        if dispatch != self._kernel.dispatch_shell or not self._is_widget_message(*arguments):
            return False
        handling = dispatch(*arguments)
        with contextlib.suppress(StopIteration):
            while True:  # the handler never waits for anything, so it runs to its end
                handling.send(None)
        return True

    def _is_widget_message(self, frames: Any) -> bool:
        session = self._kernel.session
        header = session.unpack(session.feed_identities(frames, copy=False)[1][1].bytes)
        return str(header["msg_type"]).startswith("comm_")


@contextlib.contextmanager
def _restoring_parent(kernel: Any) -> Iterator[None]:
    """Restore the running cell as the target of printed output and Ctrl-C."""
    parent, identity, handler = kernel.get_parent("shell"), kernel._parent_ident["shell"], kernel.saved_sigint_handler  # noqa: SLF001
    try:
        yield
    finally:
        kernel.saved_sigint_handler = handler
        kernel.set_parent(identity, parent, channel="shell")


def make_message_pump() -> MessagePump | None:
    """Return a `MessagePump`, or None if the kernel has subshells, is not supported, or does not exist."""
    kernel = _kernel()
    return MessagePump(kernel) if kernel is not None and not _has_subshells(kernel) and MessagePump.supports(kernel) else None


def is_in_kernel() -> bool:
    """Return whether this code runs in a kernel."""
    return _kernel() is not None


def may_have_page() -> bool:
    """Return whether a page may show the panel. Without a kernel, no page exists."""
    return is_in_kernel()


def is_in_terminal() -> bool:
    """Return whether this code runs in IPython in a terminal, which shows text but not widgets."""
    shell = _shell()
    return shell is not None and getattr(shell, "kernel", None) is None


def call_after_every_cell(callback: Callable[[Any], None]) -> None:
    """Call a function after every cell. Does nothing without a kernel, or if the function is already registered."""
    if is_in_kernel():
        _shell().events.register("post_run_cell", callback)


def call_after_cell(callback: Callable[[bool], None]) -> bool:
    """Call a method once when the running cell ends, with True if it succeeded. Return whether there is a cell.

    This does not keep the object of the method alive. After Ctrl-C or an error inside `fit`, Keras does not call
    `on_train_end`, but IPython still sends its event.
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
    """Display a MIME bundle in the running cell, or update it wherever it is already displayed."""
    from IPython.display import display  # noqa: PLC0415 - a plain script does not need IPython

    display(bundle, raw=True, display_id=display_id, update=update)


@dataclass(frozen=True, slots=True)
class CellRun:
    """One run of a cell: the cell id from the front end, or else the cell's code, and the message id of the run."""

    cell_id: str
    message_id: str


def current_cell_run() -> CellRun | None:
    """Return the run of the current cell, or None without a kernel or outside of a cell."""
    kernel = _kernel()
    message = kernel.get_parent("shell") if kernel is not None else None
    if not message or message["header"]["msg_type"] != "execute_request":
        return None
    cell = message.get("metadata", {}).get("cellId") or message["content"]["code"]
    return CellRun(str(cell), str(message["header"]["msg_id"]))


class CellWatch:
    """Tracks whether a cell is running, from IPython events. IPython does not keep the watch alive."""

    def __init__(self) -> None:
        self._is_running = _is_main_thread() and current_cell_run() is not None
        if is_in_kernel():
            _call_weakly("pre_run_cell", self._began)
            _call_weakly("post_run_cell", self._ended)

    def is_running_elsewhere(self) -> bool:
        """Return whether a cell is running and the caller is on another thread, such as one that answers clicks."""
        return self._is_running and not _is_main_thread()

    def _began(self, *_: object) -> None:
        self._is_running = True

    def _ended(self, *_: object) -> None:
        self._is_running = False


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _call_weakly(event: str, method: Callable[..., None]) -> None:
    """Register a method for an IPython event without keeping its object alive."""
    events, reference = _shell().events, weakref.WeakMethod(method)

    def call(*details: object) -> None:
        if (method := reference()) is not None:
            method(*details)
        else:
            events.unregister(event, call)

    events.register(event, call)


def hold(widget: ipywidgets.Widget) -> None:
    """Make ipywidgets keep a widget alive, as it does with every open widget."""
    if widget.comm is not None:
        _register(widget, widget, widget._handle_msg)  # noqa: SLF001 - ipywidgets handles every message here


def hold_weakly(widget: ipywidgets.Widget) -> None:
    """Stop ipywidgets and IPython's `Out` from keeping a widget alive. Python frees it when nothing else references it."""
    if widget.comm is None:
        return
    reference = weakref.WeakMethod(widget._handle_msg)  # noqa: SLF001 - as above

    def handle(message: Any) -> None:
        if (method := reference()) is not None:
            method(message)

    _register(widget, weakref.proxy(widget), handle)
    _forget_output(widget)


def _register(widget: ipywidgets.Widget, entry: Any, handle: Callable[[Any], None]) -> None:
    """Register a widget with ipywidgets, so that its messages are handled and a reloaded page shows it."""
    comm: Any = widget.comm
    comm.on_msg(handle)
    ipywidgets.widgets.widget._instances[widget.model_id] = entry  # noqa: SLF001 - ipywidgets has no public API for this


def _forget_output(widget: ipywidgets.Widget) -> None:
    """Remove an output from IPython, which would otherwise keep it and everything it references until the kernel ends."""
    shell = _shell()
    # Names such as `_` and `_3`, but not the user's own.
    outputs = [name for name, value in list(shell.user_ns_hidden.items()) if value is widget]
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
            memory[name] = ""  # the initial value of `_`, `__` and `___`
        else:
            del memory[name]


def _kernel() -> Any:
    return getattr(_shell(), "kernel", None)


def _shell() -> Any:
    from IPython.core.getipython import get_ipython  # noqa: PLC0415

    return get_ipython()
