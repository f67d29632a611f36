"""Outputs on their way out: folders, catalogues, reports."""
