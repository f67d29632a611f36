"""How S3 and whatever speaks its protocol is reached; needs the extra `s3`."""

from functools import cache
from typing import Any

from core.errors import UsageError
from core.settings import Settings

CONNECT_SECONDS = 5
READ_SECONDS = 60
TRIES = 4


def open_bucket_client(settings: Settings) -> Any:
    """Return the S3 client of these settings; safe to share between threads, and made once.

    Credentials that the settings do not name are looked for where Amazon's tools look.

    Raises:
        UsageError: The package is not installed.
    """
    return _client(
        settings.s3_endpoint_url,
        settings.s3_region,
        settings.s3_access_key_id,
        settings.s3_secret_access_key.get_secret_value(),
    )


def bucket_errors() -> tuple[type[Exception], ...]:
    """Return what a client raises."""
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


@cache
def _client(endpoint: str, region: str, key: str, secret: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise UsageError("Buckets need the extra `s3`: pip install 'cleanplate[s3]'.") from error
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint or None,
        region_name=region or None,
        aws_access_key_id=key or None,
        aws_secret_access_key=secret or None,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"max_attempts": TRIES, "mode": "standard"},
            max_pool_connections=64,
            # Other servers than Amazon's know buckets as folders rather than as host names.
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
    )
