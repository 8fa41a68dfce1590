"""Step 8, predict: scores of events, and a network for other programs."""

from tuner.steps import make_callable

make_callable(__name__)
