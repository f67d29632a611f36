"""What shops tell us when their products change: one small file a platform."""
