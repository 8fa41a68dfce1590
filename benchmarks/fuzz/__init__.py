"""Fuzzing: damaged files of events and of run folders must be read as they were, or be refused in one sentence."""
