"""Tune, track and judge networks that tell signal from background."""

import logging
from importlib.metadata import PackageNotFoundError, version

import lazy_loader

from tuner.passwords import hide_in_record

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

logging.getLogger("tuner").addFilter(hide_in_record)

try:
    __version__ = version("signal-tuner")
except PackageNotFoundError:
    __version__ = "unknown"
