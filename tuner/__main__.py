"""`python -m tuner` and the command `tuner`."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from tuner.cli.app import app

    app(prog_name="tuner")


if __name__ == "__main__":
    main()
