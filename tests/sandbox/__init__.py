"""The stand-in removal API."""
