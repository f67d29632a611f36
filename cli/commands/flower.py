"""`cleanplate flower`: what Celery does, for those who know it."""

import click

from core.errors import UsageError
from core.logs import configure_logs
from core.settings import load_settings
from localstack.orphan import watch_parent


@click.command()
def flower() -> None:
    """Show workers, tasks and queues at FLOWER_PORT until SIGTERM (needs REDIS_URL and FLOWER_BASIC_AUTH)."""
    from cli.flower.server import run_flower

    watch_parent()
    settings = load_settings()
    configure_logs(settings.log_level, "flower")
    if not settings.redis_url:
        raise UsageError("`cleanplate flower` needs REDIS_URL. For everything on this machine use `cleanplate up`.")
    run_flower(settings)
