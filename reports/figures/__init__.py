"""Rows of a tidy frame -> figures of a document, one kind a module."""
