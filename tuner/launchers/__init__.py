"""Where workers run. A launcher knows only command lines."""
