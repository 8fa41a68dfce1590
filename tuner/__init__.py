"""Tune, track and judge networks that tell signal from background."""
