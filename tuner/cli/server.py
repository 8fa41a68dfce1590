"""A small web server on IPv4 or IPv6, the address that a person opens, and whether there is a browser to open it in."""

from __future__ import annotations

import errno
import io
import logging
import socket
import sys
import threading
import webbrowser
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from tuner.errors import TunerError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

logger = logging.getLogger("tuner")

USUAL_PORT = 8080
"""Port that is tried first where none is asked for."""


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per request, so that a slow answer does not hold up the others; threads end with the process."""

    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without asking a name server for the host's name, which takes seconds where there is none."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as socketserver calls it
        """Tell in one line what went wrong, unless it is a browser that has gone away."""
        error = sys.exception()
        if not isinstance(error, OSError):
            logger.warning("A request could not be answered: %s: %s", type(error).__name__, error)


class _Server6(_Server):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    """Answers without a line on the terminal; of an error it logs the last line of the traceback."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def get_stderr(self) -> Any:
        """Return the stream that the application writes tracebacks to."""
        return _LastLines(f"{self.command} {self.path}")


class _LastLines(io.StringIO):
    """Logs the last line of what was written whenever it is flushed."""

    def __init__(self, request: str) -> None:
        super().__init__()
        self.request = request

    def flush(self) -> None:
        lines = self.getvalue().strip().splitlines()
        self.seek(0)
        self.truncate()
        if lines:
            logger.warning("%s could not be answered: %s", self.request, lines[-1])


def open_server(application: WSGIApplication, host: str, port: int | None) -> WSGIServer:
    """Return a server that listens.

    Args:
        application: What answers.
        host: Name or address of this machine, IPv4 or IPv6, with brackets or without.
        port: 0 for a free one; None for the usual one, or a free one where that is taken.

    Raises:
        TunerError: The host is not this machine's, or the port is taken.
    """
    host = host.removeprefix("[").removesuffix("]")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise TunerError(
            f'--host must be a name or an address of this machine, but "{host}" is not ({error}).'
        ) from error
    kind = _Server6 if family == socket.AF_INET6 else _Server
    for number in [USUAL_PORT, 0] if port is None else [port]:
        try:
            server = kind((address[0], number, *address[2:]), _QuietHandler)
        except OSError as error:
            refused = error
        else:
            server.set_app(application)
            return server
    if refused.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        raise TunerError(
            f'--host must be a name or an address of this machine, but "{host}" is not ({refused.strerror}).'
        ) from refused
    raise TunerError(
        f"The port {port} must be free, but is not ({refused.strerror}). Choose another with --port, or --port 0 for a "
        "free one."
    ) from refused


def name_address(server: WSGIServer, host: str) -> str:
    """Return the URL of a server by the host that was asked for; by this machine's name where that means all."""
    host = host.removeprefix("[").removesuffix("]")
    if host in ("", "0.0.0.0", "::"):
        host = _name_machine()
    return f"http://{_write_host(host)}:{server.server_port}"


def is_loopback(server: WSGIServer) -> bool:
    """Whether only programs of this machine reach a server."""
    return ip_address(str(server.server_address[0]).partition("%")[0]).is_loopback


def _write_host(host: str) -> str:
    return f"[{host.replace('%', '%25')}]" if ":" in host else host


def _name_machine() -> str:
    """Return this machine's name where it leads to an address that others may reach, else that address."""
    name = socket.gethostname()
    with suppress(OSError):
        found = {str(address[0]) for *_, address in socket.getaddrinfo(name, None)}
        if not any(ip_address(address.partition("%")[0]).is_loopback for address in found):
            return name
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # for documentation only, RFC 5737: nothing is sent, but a route is chosen
        return str(probe.getsockname()[0])
    return name


def has_browser(environment: Mapping[str, str]) -> bool:
    """Whether a browser can be opened for the person at this terminal: not by a script, not under CI, not over SSH.

    Over SSH it can where the display comes along.
    """
    if not sys.stdout.isatty() or environment.get("CI"):
        return False
    if sys.platform in ("darwin", "win32"):
        return "SSH_CONNECTION" not in environment
    return any(environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def open_browser(address: str) -> None:
    """Open a browser on a thread: some run until they are closed."""

    def show() -> None:
        with suppress(webbrowser.Error, OSError):
            webbrowser.open(address)

    threading.Thread(target=show, name="tuner-browser", daemon=True).start()
