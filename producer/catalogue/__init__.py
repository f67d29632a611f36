"""Readers of what people hand in, one small file a format."""
