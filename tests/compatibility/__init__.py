"""Servers that others run: older ones, behind a pooler, with TLS, with few rights, failing over, with a wrong clock."""
