"""Sections of the report page, by step of the workflow."""
