"""A real JupyterLab on a folder of its own, as a user of the page sees it."""

import contextlib
import dataclasses
import json
import os
import re
import secrets
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
from playwright import sync_api

QUIET = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
DARK = {"apputils-extension/themes": {"theme": "JupyterLab Dark"}}
STARTED = re.compile(r"http://127\.0\.0\.1:(\d+)/(?:lab|tree)\?token=")

# As over a network: each message between page and server is on its way for 150 ms.
SLOW_NETWORK = """
(() => {
  const { prototype } = WebSocket, { get, set } = Object.getOwnPropertyDescriptor(prototype, 'onmessage'), { send } = prototype;
  Object.defineProperty(prototype, 'onmessage', {
    get,
    set(take) { set.call(this, take && (message => setTimeout(() => take.call(this, message), 150))); },
  });
  const sendNow = (socket, data) => { if (socket.readyState === WebSocket.OPEN) send.call(socket, data); };
  prototype.send = function (data) { setTimeout(sendNow, 150, this, data); };
})();
"""

# JupyterLab gives its application to the page under this name when it is told to.
NOTEBOOK = "Array.from(jupyterapp.shell.widgets('main')).find(widget => widget.content?.activeCell)"


@dataclasses.dataclass(frozen=True)
class Server:
    """Where a running JupyterLab is reached."""

    port: int
    token: str
    opens: str = "lab/tree"

    def url(self, path):
        return f"http://127.0.0.1:{self.port}/{self.opens}/{path}?token={self.token}"


@dataclasses.dataclass(frozen=True)
class FrontEnd:
    """What serves the page: the Python of its environment, its module there, what it calls its application, and its pages."""

    python: str = sys.executable
    module: str = "jupyterlab"
    application: str = "LabApp"
    opens: str = "lab/tree"


@contextlib.contextmanager
def jupyterlab(folder, home, settings=None, kernels=None, front_end=FrontEnd()):
    """Run JupyterLab of this environment on `folder`, with its own settings in `home` and more kernelspecs from `kernels`.

    Another `front_end` gets its widgets from this environment.
    """
    for name, values in {**QUIET, **(settings or {})}.items():
        file = home / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    token = secrets.token_hex(12)
    environment = dict(
        os.environ,
        JUPYTERLAB_SETTINGS_DIR=str(home / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(home / "workspaces"),
        JUPYTER_CONFIG_DIR=str(home / "config"),
        JUPYTER_DATA_DIR=str(home / "data"),
        JUPYTER_RUNTIME_DIR=str(home / "runtime"),
        JUPYTER_PATH=os.pathsep.join(filter(None, [str(kernels or ""), str(Path(sys.prefix) / "share/jupyter")])),
        IPYTHONDIR=str(home / "ipython"),
        JUPYTER_PREFER_ENV_PATH="1",
    )
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": 0,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": token,
        f"{front_end.application}.expose_app_in_browser": True,
        "LabApp.extension_manager": "readonly",
    }
    log = home / "jupyterlab.log"
    command = [
        front_end.python,
        "-m",
        front_end.module,
        "--no-browser",
        "--allow-root",
        *(f"--{k}={v}" for k, v in options.items()),
    ]
    with log.open("w") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process:
        try:
            yield Server(_port(process, log), token, front_end.opens)
        finally:
            process.terminate()


def _port(process, log):
    """Read from the log where the server will listen, and ask there until it does."""
    found = None
    while process.poll() is None:
        found = found or STARTED.search(log.read_text())
        with contextlib.suppress(OSError):
            if found:
                urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/api", timeout=60)
                return int(found[1])
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)  # a pause between two questions, which ends at once where the server does
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


class Notebook:
    """A notebook that is open in a page."""

    def __init__(self, page, server, path):
        self.page, self.server = page, server
        self.errors = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(server.url(path))
        page.wait_for_function(
            f"window.jupyterapp && {NOTEBOOK}?.sessionContext.session?.kernel?.status === 'idle'", timeout=120_000
        )

    def run(self, index, *, wait=True):
        """Run a cell; without `wait`, return while it runs."""
        self.page.evaluate(
            f"index => {{ const {{content}} = {NOTEBOOK}; content.activeCellIndex = index; content.deselectAll(); "
            "jupyterapp.commands.execute('notebook:run-cell'); }",
            index,
        )
        if wait:
            self.page.wait_for_function(f"index => {self._count}(index) != null", arg=index, timeout=120_000)

    def is_running(self, index):
        return self.page.evaluate(f"index => {self._count}(index) == null", index)

    def wait_until_trained(self, words):
        self.page.locator(".we-status-words", has_text=words).wait_for(timeout=60_000)

    def interrupt(self, index):
        """End a cell by Ctrl-C: by another where it fell into a finalizer, of which Python swallows every error."""
        for _ in range(5):
            self.page.evaluate(f"{NOTEBOOK}.sessionContext.session.kernel.interrupt()")
            with contextlib.suppress(sync_api.TimeoutError):
                # A cell that is asked for before this one has replied is dropped.
                self.page.wait_for_function(f"index => {self._count}(index) != null", arg=index, timeout=20_000)
                return
        raise AssertionError(f"Cell {index} still runs.")

    def printed(self, index):
        """What the cell printed."""
        outputs = self.outputs(index)
        return "".join("".join(output.get("text", "")) for output in outputs if output["output_type"] == "stream")

    def outputs(self, index):
        return self.page.evaluate(f"index => {NOTEBOOK}.content.widgets[index].model.outputs.toJSON()", index)

    def number_of_cells(self):
        return self.page.evaluate(f"{NOTEBOOK}.content.widgets.length")

    # The execution count of a cell is null from the moment it is sent until its reply is there.
    _count = (
        f"(index => {{ const cell = {NOTEBOOK}.content.widgets[index]; "
        "return cell.promptNode.textContent.includes('*') ? null : cell.model.executionCount; })"
    )


def write_notebook(path: Path, cells, kernel="python3"):
    """Write a notebook of code cells for a kernel."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
    nbformat.write(notebook, path)


def wait_for_epoch(page, first, fit=1):
    """Wait until the panel tells of this epoch of a running fit or a later one: it may skip some."""
    which = f"fit {fit} · " if fit > 1 else ""
    page.locator(".we-status-words", has_text=re.compile(rf"live · {which}epoch ([{first}-9]|\d\d)")).wait_for(timeout=60_000)
