"""Networks and their settings. Names are loaded when first used: search spaces import this package without torch."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
