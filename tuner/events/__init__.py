"""Step 1, get the data: where events come from, and reading them into columns with roles."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
