"""Batches as somebody waits for them: what is checked before, shown meanwhile and told at the end."""
