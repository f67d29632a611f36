"""What containers are made of, what their folders in memory may take, and which passwords servers begin with."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from console.api.upload import MOST_BYTES as MOST_CATALOGUE_BYTES
from console.limits import MOST_HELD_BYTES, MOST_ORDINARY_BYTES, SPARE_BYTES
from console.pools import FILES
from tests.deploy.reading import ROOT
from tests.deploy.test_compose import OTHERS, TEXT, services

__all__ = ["services"]


def test_images_of_others_are_named_by_what_is_in_them(services: dict[str, Any]) -> None:
    digest = r"@sha256:[0-9a-f]{64}"
    for name in OTHERS:
        told = services[name]["image"]
        assert re.fullmatch(rf"\$\{{{name.upper()}_IMAGE:-[a-z/]+{digest}\}}", told), name
        # And for people by their version, to know when there is a newer one.
        assert re.search(rf"# [a-z/]+:v?\d+\.\d+(\.\d+)?\n +image: {re.escape(told)}\n", TEXT), name
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.search(rf"^# python:3\.\d+\.\d+-slim\nARG PYTHON_IMAGE=python{digest}\n", dockerfile, re.MULTILINE)
    stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?", dockerfile, re.MULTILINE)
    assert {image for image, _ in stages} <= {"${PYTHON_IMAGE}"} | {name for _, name in stages}


def test_every_folder_in_memory_has_a_bound_that_its_container_can_bear(services: dict[str, Any]) -> None:
    units = {"m": 1, "g": 1024}
    for name, service in services.items():
        told = service.get("tmpfs", [])
        if name != "prometheus":
            assert any(each.startswith("/tmp:") for each in told), name
        sizes = []
        for each in told:
            found = re.fullmatch(r"/[a-z/]+:size=(\d+)m,mode=1777", each)
            assert found, each
            sizes.append(int(found[1]))
        limit = service["deploy"]["resources"]["limits"]["memory"]
        # What lies there counts as the container's memory.
        assert sum(sizes) <= int(limit[:-1]) * units[limit[-1]] / 2, name


def test_what_comes_at_once_fits_into_the_folder_of_the_web_application(services: dict[str, Any]) -> None:
    [told] = services["web"]["tmpfs"]
    size = int(told.split("size=")[1].split("m")[0]) * 2**20
    catalogues = FILES.threads * MOST_CATALOGUE_BYTES
    assert size >= MOST_HELD_BYTES + MOST_ORDINARY_BYTES + SPARE_BYTES + catalogues
    # It is itself held to 1 GB by `make hostile`.
    limit = services["web"]["deploy"]["resources"]["limits"]["memory"]
    assert int(limit.removesuffix("m")) * 2**20 >= 2**30 + size


@pytest.mark.parametrize(
    ("name", "variables", "is_taken"),
    [
        ("grafana", {"GF_SECURITY_ADMIN_PASSWORD": ""}, False),
        ("grafana", {"GF_SECURITY_ADMIN_PASSWORD": "admin"}, False),
        ("grafana", {"GF_SECURITY_ADMIN_PASSWORD": "0f3a9c2be41d"}, True),
        ("postgres", {"POSTGRES_PASSWORD": "postgres", "DATABASE_PASSWORD": "0f3a9c2be41d"}, False),
        ("postgres", {"POSTGRES_PASSWORD": "0f3a9c2be41d", "DATABASE_PASSWORD": "0f3a9c2be41d"}, False),
        ("postgres", {"POSTGRES_PASSWORD": "7780aa61c5d2", "DATABASE_PASSWORD": "0f3a9c2be41d"}, True),
    ],
)
def test_servers_of_others_do_not_begin_with_a_weak_password(
    services: dict[str, Any], tmp_path: Path, name: str, variables: dict[str, str], *, is_taken: bool
) -> None:
    begun = tmp_path / "docker-entrypoint.sh"
    begun.write_text('#!/bin/sh\necho "begun $@"\n')
    begun.chmod(0o755)
    service = services[name]
    command = [each.replace("$$", "$").replace("/run.sh", str(begun)) for each in service["entrypoint"]]
    done = subprocess.run(
        [*command, *service.get("command", [])],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if is_taken:
        assert done.stdout == f"begun {' '.join(service.get('command', []))}\n"
    else:
        assert (done.returncode, done.stdout) == (2, "")
        assert f"{'GRAFANA' if name == 'grafana' else 'POSTGRES'}_PASSWORD in .env" in done.stderr
