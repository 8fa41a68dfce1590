"""The command line: one command per step of the workflow."""
