"""Step 7, evaluate: figures of merit with uncertainties, on validation and, once, on test."""

from tuner.steps import make_callable

make_callable(__name__)
