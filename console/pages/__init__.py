"""The console: pages for people, rendered here, alive through server-sent events."""
