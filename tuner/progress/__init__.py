"""How a running sweep is shown: a live display on a terminal, plain lines anywhere else."""

from tuner.progress.display import Display, open_display
from tuner.progress.snapshot import Status

__all__ = ["Display", "Status", "open_display"]
