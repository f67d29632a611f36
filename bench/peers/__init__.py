"""The same loop in other job queues: each does what the bare one does, and no more."""
