"""What is forgotten, and what is not."""

from sqlalchemy import Engine, text

from db import connections, idempotency, retention, tokens
from db.idempotency import Kept
from db.tokens import Scope


def test_only_what_is_old_and_over_is_forgotten(engine: Engine) -> None:
    with engine.begin() as connection:
        shop = connections.create(connection, platform="json", shop="s", secret="secret", options={})
        for key in ("old", "new"):
            connections.note_delivery(connection, shop.id, key=key, topic="t", body=b"{}")
        connections.note_seen(connection, shop.id, ["photo"])
        for event, age, since in (
            ("over", "40 days", "50 days"),
            ("fresh", "1 day", "50 days"),
            ("waits", None, "2 days"),
            ("never taken", None, "31 days"),
        ):
            connection.execute(
                text(
                    "INSERT INTO callbacks (batch_id, event, created_at, ended_at) "
                    "VALUES (1, :event, now() - CAST(:since AS interval), now() - CAST(:age AS interval))"
                ),
                {"event": event, "age": age, "since": since},
            )
        token_id = tokens.create(connection, name="t", scopes=[Scope.READ])[0].id
        for key in ("old", "new"):
            idempotency.keep(connection, token_id, key, Kept("hash", 200, {}))
        connection.execute(text("UPDATE deliveries SET received_at = now() - interval '31 days' WHERE key = 'old'"))
        connection.execute(text("UPDATE idempotency_keys SET created_at = now() - interval '3 days' WHERE key = 'old'"))
    with engine.begin() as connection:
        assert retention.forget_old(connection, 30) == 4
    with engine.begin() as connection:
        assert retention.forget_old(connection, 30) == 0
        assert connection.execute(text("SELECT key FROM deliveries")).scalars().all() == ["new"]
        assert connection.execute(text("SELECT key FROM idempotency_keys")).scalars().all() == ["new"]
        assert connection.execute(text("SELECT event FROM callbacks ORDER BY id")).scalars().all() == ["fresh", "waits"]
    with engine.begin() as connection:
        assert connections.note_seen(connection, shop.id, ["photo"]) == set()
