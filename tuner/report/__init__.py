"""The page that a person reads. `tuner.report(search)` writes it."""

from tuner.steps import make_callable

make_callable(__name__)
