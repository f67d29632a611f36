"""Outputs on their way out."""
