"""The durable truth in PostgreSQL: models, sessions, queries by noun, migrations."""
