"""Telling shops what became of their photos."""
