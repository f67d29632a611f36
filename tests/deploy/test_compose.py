"""What can be said of the containers' files without a container engine."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import compose_spec
import pytest
import yaml

from cli.group import COMMANDS
from core.settings import Settings
from worker.connections import MOST_CONNECTIONS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()
ROLES = ("migrate", "web", "dispatcher", "worker", "flower")
SETTINGS = {name.upper() for name in Settings.model_fields}
OF_IMAGES = {
    "POSTGRES_USER",
    "POSTGRES_DB",
    "POSTGRES_PASSWORD",
    "DATABASE_PASSWORD",
    "REDIS_PASSWORD",
    "REDISCLI_AUTH",
    "GF_SECURITY_ADMIN_PASSWORD",
    "GF_ANALYTICS_REPORTING_ENABLED",
    "GF_ANALYTICS_CHECK_FOR_UPDATES",
    "GF_USERS_ALLOW_SIGN_UP",
}
OTHERS = ("postgres", "redis", "prometheus", "grafana")
OF_COMPOSE = {
    *(f"{name.upper()}_IMAGE" for name in OTHERS),
    "POSTGRES_PASSWORD",
    "DATABASE_PASSWORD",
    "REDIS_PASSWORD",
    "GRAFANA_PASSWORD",
    "GRAFANA_PUBLISH",
    "WEB_PUBLISH",
    "FLOWER_PUBLISH",
    "WORKER_STOP_GRACE",
    "COMPOSE_PROFILES",
    "WORKERS",
    "POSTGRES_MAX_CONNECTIONS",
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return cast("dict[str, Any]", yaml.safe_load(TEXT)["services"])


def seconds(told: str) -> float:
    found = re.fullmatch(r"(?:\$\{[A-Z_]+:-)?(\d+)s\}?", told)
    assert found, told
    return float(found[1])


def interpolated(text: str) -> str:
    """Return the file as compose reads it, with the example's variables."""
    text = re.sub(r"(?<!\$)\$\{[A-Z_]+:-([^}]*)\}", r"\1", text)
    return re.sub(r"(?<!\$)\$\{[A-Z_]+:\?[^}]*\}", "given", text).replace("$$", "$")


@pytest.mark.parametrize("name", ["docker-compose.yml", "deploy/compose.grafana.yml"])
def test_it_is_what_the_compose_specification_allows(name: str) -> None:
    parsed = compose_spec.PyCompose.from_json(json.dumps(yaml.safe_load(interpolated((ROOT / name).read_text()))))
    assert parsed.service_names()
    with pytest.raises(ValueError, match="privilegd"):
        compose_spec.PyCompose.from_json(json.dumps({"services": {"web": {"image": "x", "privilegd": True}}}))


def test_all_services_are_there(services: dict[str, Any]) -> None:
    assert set(services) == {*ROLES, "postgres", "redis", "sandbox", "prometheus", "grafana"}
    assert services["dispatcher"]["deploy"]["replicas"] == 2
    assert {name: each["profiles"] for name, each in services.items() if "profiles" in each} == {
        "sandbox": ["sandbox"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
    }


@pytest.mark.parametrize("name", [*ROLES, "sandbox"])
def test_every_command_is_one_of_ours(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["command"][0] in COMMANDS
    test = service.get("healthcheck", {}).get("test", [])
    if test[1:2] == ["cleanplate"]:
        assert test[2:] == ["health", name]


def test_every_variable_is_known(services: dict[str, Any]) -> None:
    for name in {*services} - {*ROLES}:
        assert set(services[name].get("environment", {})) <= OF_IMAGES
    asked = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", TEXT))
    assert asked <= SETTINGS | OF_COMPOSE


def test_the_example_tells_of_every_setting_and_of_nothing_else() -> None:
    named = re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE)
    assert len(named) == len(set(named))
    # These are set for containers as a whole.
    fixed = {"DATABASE_URL", "REDIS_URL", "METRICS_HOST", "METRICS_PORT", "WEB_HOST", "WEB_PORT"}
    fixed |= {"FLOWER_HOST", "FLOWER_PORT", "CLEANPLATE_HOME", "WORKER_PROCESSES"}
    assert set(named) == (SETTINGS | OF_COMPOSE) - fixed


def test_no_password_is_there_to_begin_with() -> None:
    given = dict(re.findall(r"^([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE))
    secrets = {name for name in given if re.search("PASSWORD|SECRET|AUTH|KEY", name)}
    assert secrets >= {"POSTGRES_PASSWORD", "DATABASE_PASSWORD", "REDIS_PASSWORD", "FLOWER_BASIC_AUTH"}
    assert {given[name] for name in secrets} == {""}
    for name in ("POSTGRES_PASSWORD", "DATABASE_PASSWORD", "REDIS_PASSWORD", "FLOWER_BASIC_AUTH"):
        # Without it nothing starts, and the message says what to do.
        assert re.search(rf"\$\{{{name}:\?[^}}]{{10,}}\}}", TEXT)
        assert not re.search(rf"\$\{{{name}(:-[^}}]+)?\}}", TEXT)


def test_only_web_and_flower_are_published_and_on_loopback(services: dict[str, Any]) -> None:
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert set(published) == {"web", "flower"}
    for ports in published.values():
        assert len(ports) == 1
        assert re.fullmatch(r"\$\{[A-Z]+_PUBLISH:-127\.0\.0\.1:\d+\}:\d+", ports[0])


@pytest.mark.parametrize("name", [*ROLES, "sandbox"])
def test_our_containers_may_do_little(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["user"] == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged", False)
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}


def test_nobody_may_more_than_they_need(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        # Only who hands a volume over to the user it then becomes begins with rights.
        assert ("cap_add" in service) == (name == "postgres"), name
        assert "user" in service or name in {"postgres", "prometheus", "grafana"}, name


def test_the_image_can_do_what_settings_may_ask_for() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([a-z0-9._-]+==[^ ]+)", (ROOT / f"requirements/{name}.txt").read_text(), re.MULTILINE))

    assert pins("runtime") <= pins("image") <= pins("dev")
    for package in ("boto3", "alibabacloud-tea-openapi", "opentelemetry-sdk", "pyarrow"):
        assert any(pin.startswith(f"{package}==") for pin in pins("image")), package


def test_connections_are_enough_for_many_workers(services: dict[str, Any]) -> None:
    found = re.search(r"max_connections=\$\{[A-Z_]+:-(\d+)\}", services["postgres"]["command"][2])
    assert found
    assert int(found[1]) >= 16 * MOST_CONNECTIONS + 2 * 12 + 20 + 10


def test_all_are_limited_restarted_and_asked_how_they_are(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"]["memory"]
        if name == "migrate":
            assert service["restart"] == "no"
        else:
            assert service["restart"] == "unless-stopped"
            assert service["healthcheck"]["test"]


def test_a_worker_may_finish_its_calls(services: dict[str, Any]) -> None:
    told = Settings.model_fields["removal_timeout"].default
    assert seconds(services["worker"]["stop_grace_period"]) >= told + 5


def test_who_needs_the_schema_waits_for_it(services: dict[str, Any]) -> None:
    for name in ("web", "dispatcher", "worker", "flower"):
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
    assert services["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_every_file_that_is_mounted_is_there_and_can_be_read(services: dict[str, Any]) -> None:
    mounted = [
        told.split(":")[0]
        for service in services.values()
        for told in service.get("volumes", [])
        if told.startswith("./")
    ]
    assert mounted
    for path in mounted:
        files = [each for each in (ROOT / path).rglob("*") if each.is_file()]
        assert files
        for file in files:
            # SQL is run by test_app_role.py.
            readers: dict[str, Callable[[str], Any]] = {".json": json.loads, ".sql": str.strip}
            assert readers.get(file.suffix, yaml.safe_load)(file.read_text())


def test_the_image_has_no_build_tools_and_no_root() -> None:
    text = (ROOT / "Dockerfile").read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    final = stages[-1]
    assert "USER 10001:10001" in final
    assert "pip install" not in final
    assert "apt-get" not in text
    assert "--require-hashes" in text
    named = {stage.split(" AS ")[1].split()[0] for stage in stages}
    assert named >= {"build", "cleanplate", "sandbox"}
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if line.startswith("!"):
            assert (ROOT / line[1:]).exists(), line


@pytest.mark.parametrize(
    ("backend", "bundle", "package"),
    [
        ("cni", __file__, "golang-github-containernetworking-plugin-dnsname"),
        ("netavark", __file__, "aardvark-dns"),
        ("netavark", "/nowhere/ca.crt", "ca-certificates"),
    ],
)
def test_what_the_run_of_the_containers_lacks_is_said_with_its_package(
    tmp_path: Path, backend: str, bundle: str, package: str
) -> None:
    for tool in ("podman", "runc", "debootstrap", "podman-compose"):
        path = tmp_path / tool
        path.write_text(f"#!/bin/sh\necho {backend}\n")
        path.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "COMPOSE_TEST_HOME": str(tmp_path / "home"),
        "PLUGIN_FOLDERS": str(tmp_path),
        "CA_BUNDLE": bundle,
    }
    command = ["bash", str(ROOT / "deploy" / "compose_test.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"apt-get install {package}" in done.stderr
