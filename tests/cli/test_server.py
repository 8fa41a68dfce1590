"""The server answers on IPv4 and IPv6, tells its address, and stays quiet."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import urllib.error
import urllib.request
from contextlib import closing, contextmanager

import pytest

from tuner.cli import server
from tuner.cli.server import has_browser, is_loopback, name_address, open_server
from tuner.errors import TunerError


def answer(environ, start_response):
    if environ["PATH_INFO"] == "/broken":
        environ["wsgi.errors"].write('Traceback (most recent call last):\n  File "a.py"\nKeyError: 1\n')
        environ["wsgi.errors"].flush()
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"no"]
    if environ["PATH_INFO"] == "/raises":
        raise ValueError("of its own")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"yes"]


@contextmanager
def serving_at(host, port=0):
    with open_server(answer, host, port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def has_ipv6():
    with closing(socket.socket(socket.AF_INET6)) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 on this machine")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_the_address_that_is_told_answers(host):
    with serving_at(host) as server:
        address = name_address(server, host)
        assert urllib.request.urlopen(address, timeout=30).read() == b"yes"
        assert is_loopback(server) == (host != "0.0.0.0")
    assert "0.0.0.0" not in address


@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
def test_the_address_of_ipv6_is_in_brackets_and_answers(has_ipv6, host):
    with serving_at(host) as server:
        address = name_address(server, host)
        assert urllib.request.urlopen(address, timeout=30).read() == b"yes"
        assert address.startswith("http://[::1]:") or host == "::"
        assert is_loopback(server) == (host != "::")


def test_a_taken_port_is_refused_where_it_was_asked_for_and_left_where_not(monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(TunerError, match=f"port {port} must be free") as refused:
            open_server(answer, "127.0.0.1", port)
        assert "--port 0" in str(refused.value)
        monkeypatch.setattr(server, "USUAL_PORT", port)
        with open_server(answer, "127.0.0.1", None) as opened:
            assert opened.server_port not in (0, port)


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.77", "", "a b", "x" * 300])
def test_a_host_that_is_not_this_machine_is_refused(host):
    with pytest.raises(TunerError, match="--host must be a name or an address of this machine"):
        open_server(answer, host, None)


@pytest.mark.parametrize(("path", "told"), [("/broken", "KeyError: 1"), ("/raises", "ValueError: of its own")])
def test_an_error_is_one_line(path, told, caplog, capfd):
    with serving_at("127.0.0.1") as server, pytest.raises(urllib.error.HTTPError, match="500"):
        urllib.request.urlopen(name_address(server, "127.0.0.1") + path, timeout=30)
    assert caplog.messages == [f"GET {path} could not be answered: {told}"]
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_browser_that_goes_away_is_no_error(caplog, capfd):
    with serving_at("127.0.0.1") as server:
        with closing(socket.create_connection(server.server_address)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed by a reset
            client.send(b"GET / HTTP/1.0\r\n")
        assert urllib.request.urlopen(name_address(server, "127.0.0.1"), timeout=30).read() == b"yes"
    assert caplog.messages == []
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no variable for the display")
@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"DISPLAY": ":0"}, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True),
        ({"BROWSER": "firefox"}, True),
        ({"DISPLAY": "localhost:10.0", "SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, True),
        ({"SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, False),
        ({"DISPLAY": ":0", "CI": "true"}, False),
        ({}, False),
    ],
)
def test_a_browser_is_opened_for_a_person_at_a_display(monkeypatch, environment, found):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert has_browser(environment) == found
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False)
    assert not has_browser(environment)
