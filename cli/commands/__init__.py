"""The subcommands, a file a topic."""
