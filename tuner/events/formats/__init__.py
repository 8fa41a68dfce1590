"""Formats of event files: one file each."""
