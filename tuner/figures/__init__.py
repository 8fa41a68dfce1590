"""Figures a referee may see: arrays and tables in, a `Drawing` out. Weighted, colour-blind safe, drawn headless."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
