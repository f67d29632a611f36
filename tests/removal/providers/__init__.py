"""Each provider: what it sends, and what it makes of answers."""
