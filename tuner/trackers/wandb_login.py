"""Whether runs go to the Weights & Biases server or stay on disk, decided without network and without asking anyone."""

from __future__ import annotations

import netrc
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import wandb


def choose_mode(asked: str | None) -> tuple[str, str | None]:
    """Return "online", "offline" or "disabled", and a warning where it is not what was asked for.

    asked: None for what `$WANDB_MODE` or W&B's settings tell, and otherwise online where logged in.
    """
    wanted = asked or _read_settings().mode
    if wanted == "disabled":
        return "disabled", None
    if wanted in ("offline", "dryrun"):
        return "offline", None
    if is_logged_in():
        return "online", None
    if asked or "WANDB_MODE" in os.environ:
        return "offline", "Weights & Biases is not logged in: runs are kept offline. Log in with: wandb login"
    return "offline", None


def is_logged_in() -> bool:
    """Look for W&B credentials where W&B does."""
    settings = _read_settings()
    if settings.api_key or settings.identity_token_file:
        return True
    netrc_file = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    host = urlsplit(settings.base_url).netloc
    try:
        return bool((netrc.netrc(netrc_file).authenticators(host) or ("", "", ""))[2])
    except (OSError, netrc.NetrcParseError):
        return False


def _read_settings() -> wandb.Settings:
    import wandb

    return wandb.setup(settings=wandb.Settings(silent=True)).settings
