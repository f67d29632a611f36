"""Every setting, read from the environment or `.env`; README has the same table."""

from decimal import Decimal
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import UsageError
from core.states import Screen

AIDGE_GATEWAY = "https://api.aidc-ai.com/rest/ai/image/removal"
AIDGE = "aidge"
PROVIDER_URLS = {
    AIDGE: AIDGE_GATEWAY,
    # The one region in the endpoint maps of the vendor's SDKs; others are made alike, and set by REMOVAL_API_URL.
    "alibabacloud": "https://aidge.cn-beijing.aliyuncs.com/",
}
"""What is called with a key and without REMOVAL_API_URL; providers that are not here need that one."""
SANDBOX_KEY = "sandbox"


class OnMaybeBilled(StrEnum):
    """What happens to a job whose call may have been billed without an answer reaching us."""

    RETRY = "retry"
    HOLD = "hold"


class LogLevel(StrEnum):
    """How much the logs tell."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class Settings(BaseSettings):
    """What a user may change. Each field is the environment variable of the same name."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    database_url: str = Field("", description="PostgreSQL; empty: an embedded server under CLEANPLATE_HOME")
    redis_url: str = Field("", description="Redis or Valkey; empty: an embedded server under CLEANPLATE_HOME")
    removal_provider: str = Field(AIDGE, description="Whose removal API it is: `aidge` or `alibabacloud`")
    removal_api_url: str = Field("", description="The removal API; empty: the provider's with a key, else sandbox")
    removal_api_key: str = Field("", description="The account's app key or AccessKey id")
    removal_api_secret: SecretStr = Field(SecretStr(""), description="The account's secret; never shown")
    removal_trial: bool = Field(False, description="Use the account's trial quota (header x-iop-trial)")
    removal_rate: float = Field(5.0, gt=0, le=10_000, description="Quota in calls per second, whole fleet")
    removal_burst: int = Field(1, ge=1, le=10_000, description="Calls allowed back to back after a pause")
    removal_timeout: float = Field(30.0, gt=0, le=600, description="Seconds to wait for an answer")
    worker_processes: int = Field(1, ge=1, le=64, description="Worker processes `run` and `up` start")
    worker_concurrency: int = Field(64, ge=1, le=256, description="Calls in flight per worker process")
    cleanplate_home: Path = Field(Path(".cleanplate"), description="Where embedded servers and logs live")
    artifact_store: str = Field("postgres", description="`postgres`, file:///absolute/folder or s3://bucket/prefix")
    s3_endpoint_url: str = Field("", description="The S3-compatible server of buckets; empty: Amazon's")
    s3_region: str = Field("", description="The region of buckets; empty: as Amazon's tools find it")
    s3_access_key_id: str = Field("", description="The key of buckets; empty: as Amazon's tools find it")
    s3_secret_access_key: SecretStr = Field(SecretStr(""), description="Its secret; never shown")
    artifact_public_url: str = Field("", description="Where others fetch outputs: the web app's or the bucket's URL")
    artifact_url_secret: SecretStr = Field(SecretStr(""), description="Signs output URLs; unset: unguessable only")
    shop_token_key: SecretStr = Field(SecretStr(""), description="Encrypts tokens of shops' APIs; never shown")
    web_host: str = Field("127.0.0.1", description="Where `cleanplate web` listens")
    web_port: int = Field(8080, ge=1, le=65_535, description="The port of `cleanplate web`")
    web_public_url: str = Field("", description="How others reach `cleanplate web`; empty: http://WEB_HOST:WEB_PORT")
    events_kept_days: float = Field(30.0, ge=2, le=3650, description="Days that webhooks and callbacks are kept")
    flower_host: str = Field("127.0.0.1", description="Where `cleanplate flower` listens")
    flower_port: int = Field(5555, ge=1, le=65_535, description="The port of `cleanplate flower`")
    flower_basic_auth: SecretStr = Field(SecretStr(""), description="`name:password` of Flower; never shown")
    flower_public_url: str = Field("", description="How browsers reach Flower; the console links to it")
    metrics_host: str = Field("127.0.0.1", description="Where web, worker and dispatcher show metrics")
    metrics_port: int = Field(0, ge=0, le=65_535, description="The port of metrics; 0: none but web's /metrics")
    session_hours: float = Field(12.0, gt=0, le=720, description="Hours a browser stays signed in without being used")
    proxy_user_header: str = Field("", pattern=r"^[A-Za-z0-9-]*$", description="Header in which a proxy names the user")
    proxy_addresses: str = Field("127.0.0.1,::1", description="Addresses or networks of proxies that may name users")
    max_attempts: int = Field(5, ge=1, le=100, description="Counted attempts before a photo fails")
    on_maybe_billed: OnMaybeBilled = Field(OnMaybeBilled.RETRY, description="`retry` or `hold`")
    removal_price: Decimal = Field(Decimal(0), ge=0, le=1000, decimal_places=6, description="What one call costs")
    removal_currency: str = Field("USD", pattern=r"^[A-Za-z]{3}$", description="Currency of REMOVAL_PRICE")
    removal_daily_calls: int | None = Field(None, ge=0, description="Most calls per account and day (UTC); unset: any")
    removal_mask_order: Literal["row", "column"] = Field("row", description="How masks count pixels: `row` or `column`")
    removal_mask_origin: Literal[0, 1] = Field(0, description="The number of a mask's first pixel, 0 or 1")
    hold_unchanged_below: float = Field(0.00001, ge=0, le=1, description="Hold outputs with less changed; 0: never")
    hold_changed_above: float = Field(0.9, ge=0, le=1, description="Hold outputs with more changed; 1: never")
    screen: Screen = Field(Screen.OFF, description="Photos with nothing to remove: `off`, `report` or `skip`")
    screen_sure_from: float = Field(0.35, gt=0, le=1, description="How sure a finding must be to count; lower: fewer")
    proof: Literal["", "on", "off"] = Field(
        "", description="Hold what is left over or damaged; empty: with extra look, up to 10 calls/s a core"
    )
    canary_max_bad: float = Field(0.2, ge=0, le=1, description="Share of a canary that may fail or be held")
    outage_probe_seconds: float = Field(
        2.0, gt=0, le=600, description="First probe of an outage; then a quarter of its length"
    )
    outage_probe_cap_seconds: float = Field(60.0, gt=0, le=3600, description="Longest wait between two probes")
    retry_base_seconds: float = Field(1.0, gt=0, le=600, description="First retry delay; doubles, full jitter")
    retry_cap_seconds: float = Field(120.0, gt=0, le=86_400, description="Longest retry delay in seconds")
    lease_seconds: float = Field(30.0, ge=1, le=3600, description="How long a silent worker keeps a job")
    fetch_timeout: float = Field(30.0, gt=0, le=600, description="Seconds to fetch one photo or output, whole")
    fetch_allow_private: str = Field("", description="Host names or networks, comma separated, that may be private")
    log_level: LogLevel = Field(LogLevel.INFO, description="DEBUG, INFO, WARNING or ERROR")

    @field_validator("removal_mask_origin", mode="before")
    @classmethod
    def _read_origin(cls, value: object) -> object:
        return int(value) if value in {"0", "1"} else value

    @field_validator("removal_daily_calls", mode="before")
    @classmethod
    def _read_unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("log_level", mode="before")
    @classmethod
    def _read_level(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @property
    def web_url(self) -> str:
        """How others reach `cleanplate web`, without a slash at its end."""
        # Addresses for all of a machine's are none to go to.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.web_host, self.web_host)  # noqa: S104
        return self.web_public_url.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{self.web_port}"

    @property
    def artifacts_url(self) -> str:
        """Where others fetch outputs, without a slash at its end; empty when nobody has said how they are reached."""
        if self.artifact_public_url:
            return self.artifact_public_url.rstrip("/")
        return f"{self.web_url}/artifacts" if self.web_public_url else ""

    @property
    def serves_outputs(self) -> bool:
        """Whether `cleanplate web` itself answers at `artifacts_url`, and not the store's own server or a bucket."""
        return not self.artifact_public_url or self.artifact_store == "postgres"

    @property
    def uses_sandbox(self) -> bool:
        """Whether calls go to the stand-in API rather than to a paid one."""
        return not self.removal_api_url and not self.removal_api_key

    @property
    def is_free(self) -> bool:
        """Whether calls cost nothing: without a key of their own they are signed for the sandbox, wherever that is."""
        return self.account == SANDBOX_KEY

    @property
    def api_url(self) -> str:
        """The removal API's URL; empty while the sandbox is to be started."""
        return self.removal_api_url or (PROVIDER_URLS.get(self.removal_provider, "") if self.removal_api_key else "")

    @property
    def account(self) -> str:
        """A short, public name for the API account: what shares one token bucket."""
        return self.removal_api_key or SANDBOX_KEY

    @property
    def provider(self) -> str:
        """Who made an output: what one provider cleaned or refused says nothing about another."""
        maker = SANDBOX_KEY if self.account == SANDBOX_KEY else self._called_domain
        return maker if self.removal_provider == AIDGE else f"{self.removal_provider}:{maker}"

    @property
    def _called_domain(self) -> str:
        host = urlsplit(self.api_url).hostname or ""
        is_name = any(character.isalpha() for character in host) and ":" not in host
        return ".".join(host.split(".")[-2:]) if is_name else host

    @property
    def api_secret(self) -> str:
        """The account's secret, or the sandbox's well-known one."""
        return self.removal_api_secret.get_secret_value() or (SANDBOX_KEY if not self.removal_api_key else "")


def load_settings(**overrides: object) -> Settings:
    """Return the settings of this process.

    Args:
        overrides: Values that win over the environment, by field name.

    Raises:
        UsageError: A value cannot be used; the message names the variable, never a secret.
    """
    try:
        return Settings(**overrides)  # type: ignore[arg-type]
    except ValidationError as error:
        raise UsageError(_explain(error)) from None
    except UnicodeDecodeError as error:
        raise UsageError("The .env file here is not UTF-8 text; save it as UTF-8 and run again.") from error


@cache
def process_settings() -> Settings:
    """Return the settings of this process, read once."""
    return load_settings()


def _explain(error: ValidationError) -> str:
    lines = []
    for issue in error.errors(include_input=True, include_url=False):
        name = str(issue["loc"][0]).upper() if issue["loc"] else "settings"
        is_secret = any(part in name for part in ("SECRET", "AUTH", "TOKEN"))
        given = "" if is_secret else f" (given: {str(issue['input'])[:80]!r})"
        lines.append(f"{name}: {issue['msg']}{given}")
    return "These settings cannot be used: " + "; ".join(lines)


__all__ = ["AIDGE_GATEWAY", "OnMaybeBilled", "Settings", "load_settings", "process_settings"]
