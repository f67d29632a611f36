"""Connections: bounded in time, and to checked addresses only."""
