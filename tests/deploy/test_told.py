"""Each role is told what it reads, and nothing else; held against the code."""

import re
from typing import Any, cast

import pytest
import yaml

from core.settings import Settings
from core.tracing import ENDPOINTS
from tests.deploy.reading import ENTRIES, ROOT, read_by

SERVICES = cast("dict[str, Any]", yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])
FIELDS = {name.upper() for name in Settings.model_fields}
OF_IMAGE = {"CLEANPLATE_HOME"}
OF_WEB = {"WEB_HOST", "WEB_PORT"}
"""Where web listens; others read it to tell where web is, which is WEB_PUBLIC_URL when it is not the default."""
OF_BUCKETS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"}
OF_TRACES = {*ENDPOINTS, "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SERVICE_NAME"}
SECRETS = {
    "DATABASE_URL": {"migrate", "web", "dispatcher", "worker"},
    "REDIS_URL": {"web", "dispatcher", "worker", "flower"},
    "REMOVAL_API_SECRET": {"worker"},
    "S3_SECRET_ACCESS_KEY": {"web", "dispatcher", "worker"},
    "AWS_SECRET_ACCESS_KEY": {"web", "dispatcher", "worker"},
    "ARTIFACT_URL_SECRET": {"web", "dispatcher"},
    "SHOP_TOKEN_KEY": {"web", "dispatcher"},
    "FLOWER_BASIC_AUTH": {"web", "flower"},
    "POSTGRES_PASSWORD": {"postgres"},
    "DATABASE_PASSWORD": {"postgres"},
    "REDIS_PASSWORD": {"redis"},
    "REDISCLI_AUTH": {"redis"},
    "GF_SECURITY_ADMIN_PASSWORD": {"grafana"},
}


def told_to(service: str) -> set[str]:
    return set(SERVICES[service].get("environment") or {})


@pytest.mark.parametrize("role", ENTRIES)
def test_a_role_is_told_what_it_reads_and_no_more(role: str) -> None:
    told, read = told_to(role), read_by(role)
    fixed = OF_IMAGE | (set() if role == "web" else OF_WEB)
    assert read - told - fixed == set()
    assert (told & FIELDS) - read == set()


@pytest.mark.parametrize("role", ENTRIES)
def test_what_is_no_setting_goes_where_buckets_are_read_and_traces_made(role: str) -> None:
    read = read_by(role)
    assert ("S3_REGION" in read) == (told_to(role) >= OF_BUCKETS)
    assert (role in {"dispatcher", "worker"}) == (told_to(role) >= OF_TRACES)
    assert told_to(role) - FIELDS <= OF_BUCKETS | OF_TRACES


def test_nobody_is_told_everything() -> None:
    for service in SERVICES.values():
        assert "env_file" not in service


def test_each_secret_is_told_to_these() -> None:
    named = {name: {each for each in SERVICES if name in told_to(each)} for name in SECRETS}
    assert named == SECRETS
    for service in SERVICES:
        secret = {name for name in told_to(service) if any(part in name for part in ("PASSWORD", "SECRET", "AUTH"))}
        assert secret <= set(SECRETS)
    # What stands in a URL is in no other variable of ours.
    for name, service in SERVICES.items():
        for variable, value in (service.get("environment") or {}).items():
            assert ("DATABASE_PASSWORD" in str(value)) <= (variable in {"DATABASE_URL", "DATABASE_PASSWORD"}), name


@pytest.mark.parametrize("role", ENTRIES)
def test_what_is_set_in_the_file_reaches_who_reads_it(role: str) -> None:
    offered = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert len(offered) > 50
    for name in told_to(role) & FIELDS:
        value = SERVICES[role]["environment"][name]
        # Either taken as it is there, or set for containers as a whole.
        assert value is None or name not in offered or f"${{{name}:" in value, name


def test_the_code_is_read_rightly() -> None:
    assert {"REMOVAL_API_SECRET", "S3_SECRET_ACCESS_KEY", "REMOVAL_API_KEY"} <= read_by("worker")
    assert read_by("migrate") == {"DATABASE_URL"}
