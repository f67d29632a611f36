"""Stand-ins for shops: they speak their APIs over HTTP, with their errors and limits, and import nothing of ours."""
