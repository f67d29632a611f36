"""The `cleanplate` command."""
