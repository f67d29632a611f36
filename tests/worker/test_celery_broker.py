"""What Celery's own thread spends on the broker, and what it tells Flower."""

from kombu import Connection

from core.queues import celery_settings
from worker.celery_app import make_app


def connection(redis_url: str) -> Connection:
    app = make_app(redis_url, None)  # type: ignore[arg-type]
    return app.connection_for_write()


def test_commands_share_one_client_until_the_connection_is_lost(redis_url: str) -> None:
    with connection(redis_url) as broker:
        channel = broker.default_channel
        with channel.conn_or_acquire() as first, channel.conn_or_acquire() as second:
            assert first is second
            first.ping()
        channel._disconnect_pools()
        with channel.conn_or_acquire() as third:
            assert third is not first
            third.ping()


def test_keys_are_the_dispatchers(redis_url: str) -> None:
    prefix = celery_settings(redis_url)["broker_transport_options"]["global_keyprefix"]
    with connection(redis_url) as broker, broker.default_channel.conn_or_acquire() as client:
        client.lpush("probe", "1")
        assert client.global_keyprefix == prefix
        assert client.delete("probe") == 1
