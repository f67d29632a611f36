"""Where Flower is served on this machine, and who may see it."""

import secrets

from pydantic import SecretStr

from core.settings import Settings
from localstack.ports import free_port, why_taken


def with_flower(settings: Settings) -> Settings:
    """Return settings under which Flower can be started here: with a password, and with a port that is free."""
    auth = settings.flower_basic_auth.get_secret_value() or f"cleanplate:{secrets.token_urlsafe(12)}"
    port = settings.flower_port
    if why_taken(settings.flower_host, port):
        port = free_port()
    url = settings.flower_public_url or f"http://{settings.flower_host}:{port}"
    told = {"flower_basic_auth": SecretStr(auth), "flower_port": port, "flower_public_url": url}
    return settings.model_copy(update=told)
