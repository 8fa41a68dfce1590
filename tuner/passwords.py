"""Passwords in database URLs: never written, never shown."""

from __future__ import annotations

import logging
import re
from urllib.parse import unquote

HIDDEN = "***"

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
_WHOLE_URL = re.compile(rf"((?:--[\w-]+=)?{_SCHEME}[^/:@]*:)(.*)@", re.DOTALL)
_URL = re.compile(rf"({_SCHEME}[^\s/:@'\"]*:)[^\s'\"<>]*@")
"""Up to the last @: in a password that was not encoded there may be others."""
_WORD = r"[\w-]*(?:password|passwd|passphrase|pwd|secret|token|api_?key|access_?key)[\w-]*"
_QUERY = re.compile(rf"([?&;]{_WORD}=)([^&\s'\"#;<>]+)", re.IGNORECASE)
_CONNECTION = re.compile(r"((?<![\w-])(?:password|passwd|pwd|sslpassword)=)('[^']*'|[^\s'\"&;]+)", re.IGNORECASE)


_ASSIGNED = re.compile(
    rf"""((?<![\w-])["']?{_WORD}["']?\]?\s*(?::[^=\n"']*=|[:=,])\s*[rbf]?)(["'])(?:(?!\2).)+\2""", re.IGNORECASE
)
"""A secret in the source of a program: `api_key = "..."`, `{"password": "..."}`."""


def hide_in_source(text: str) -> str:
    """Return the source of a program in which `***` stands for passwords, and for the texts of secrets."""
    return _ASSIGNED.sub(rf"\g<1>\g<2>{HIDDEN}\g<2>", "\n".join(map(hide_passwords, text.split("\n"))))


def hide_passwords(text: str) -> str:
    """Return a text in which `***` stands for each password of a URL, of its query or of a connection string."""
    text = _WHOLE_URL.sub(rf"\g<1>{HIDDEN}@", text) if _WHOLE_URL.match(text) else _URL.sub(rf"\g<1>{HIDDEN}@", text)
    for pattern in (_QUERY, _CONNECTION):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def hide_parts(text: str, url: str) -> str:
    """Return a text without the password of a URL, nor pieces: one that is not encoded is cut at its own @ / : ?."""
    secrets = [match[2] for match in _QUERY.finditer(url)]
    if user := _WHOLE_URL.match(url):
        secrets += [user[2], unquote(user[2]), *re.split(r"[@/:?#]", user[2])]
    for secret in sorted(set(secrets), key=len, reverse=True):
        if len(secret) > 1:
            text = text.replace(secret, HIDDEN)
    return hide_passwords(text)


def hide_in_record(record: logging.LogRecord) -> bool:
    """Hide the passwords of a log record, as a filter of a logger; let every record pass.

    A record whose arguments do not fit its message is written as it is, with them: logging must not raise.
    """
    try:
        text = record.getMessage()
    except Exception:
        text = f"{record.msg} {record.args}"
    record.msg, record.args = hide_passwords(text), None
    return True
