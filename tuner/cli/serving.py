"""A small web server: threads, so that a slow answer does not hold up the others, and no line per request."""

from __future__ import annotations

from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from tuner.errors import TunerError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class _Server(ThreadingMixIn, WSGIServer):
    """One thread per request; threads end with the process."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    """Answers without a line on the terminal."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def open_server(application: WSGIApplication, host: str, port: int) -> WSGIServer:
    """Return a server that listens. Raise `TunerError` where the address is taken or not ours."""
    try:
        return make_server(host, port, application, server_class=_Server, handler_class=_QuietHandler)
    except (OSError, OverflowError) as error:
        raise TunerError(
            f"The address {host}:{port} must be free, but it is not ({error}). Choose another with --port, or --port 0."
        ) from error
