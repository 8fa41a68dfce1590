"""Weighted figures of merit: pure functions of labels, scores and event weights."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
