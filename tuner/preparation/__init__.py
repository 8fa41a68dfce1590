"""Step 3, prepare: split, fill what is undefined, scale, weight for training."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
