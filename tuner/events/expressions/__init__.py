"""Expressions over columns: read, checked, evaluated. Nothing in them can run but the functions of a table."""
