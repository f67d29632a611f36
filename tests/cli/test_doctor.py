"""`doctor` says why nothing is called, and what may be spent."""

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from actions import alarms
from cli.running.circuit import as_dict, describe_circuit
from cli.running.findings import Finding, examine
from core.settings import Settings
from db import batches, circuits, outages
from db.session import transact
from sandbox.server import SandboxServer
from sandbox.settings import SandboxSettings
from tests.db.rows import ACCOUNT, make_batch


def examined(database_url: str, **more: object) -> dict[str, Finding]:
    told: dict[str, object] = {
        "database_url": database_url,
        "removal_api_key": ACCOUNT,
        "removal_api_secret": "secret",
        "removal_api_url": "http://127.0.0.1:1/",
    }
    settings = Settings(_env_file=None, **(told | more))  # type: ignore[arg-type]
    return {finding.name: finding for finding in examine(settings)}


def test_an_outage_is_said_with_its_next_probe(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        circuits.trip(connection, ACCOUNT, reason=outages.REASON, code="801", message="busy")
    found = examined(database_url)["account"]
    assert not found.is_good
    assert "outage: the provider is down since" in found.text
    assert "801" in found.text
    assert "next probe" in found.text
    with engine.connect() as connection:
        circuit = circuits.find_open(connection, ACCOUNT)
    assert circuit is not None
    assert circuit.next_probe_at > circuit.opened_at
    told = as_dict(circuit)
    assert told is not None
    assert (told["reason"], told["code"], told["failed_probes"]) == ("outage", "801", 0)


def test_a_refused_account_is_said_otherwise(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        circuits.trip(connection, ACCOUNT, reason="account", code="NoResource", message="quota used up")
        circuit = circuits.find_open(connection, ACCOUNT)
    assert circuit is not None
    assert "the API refuses the account" in describe_circuit(circuit)
    assert "NoResource (quota used up)" in examined(database_url)["account"].text


def test_a_closed_circuit_is_none(database_url: str) -> None:
    assert examined(database_url)["account"].is_good
    assert as_dict(None) is None


@pytest.mark.parametrize(
    ("made", "is_good", "told"), [(0, True, "0 of 5 calls a day"), (4, True, "4 of 5"), (5, False, "midnight UTC")]
)
def test_the_days_limit_is_told(engine: Engine, database_url: str, made: int, is_good: bool, told: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO daily_calls VALUES (:account, CAST(now() AT TIME ZONE 'UTC' AS date), :made)"),
            {"account": ACCOUNT, "made": made},
        )
    found = examined(database_url, removal_daily_calls=5, removal_price="0.02")["budget"]
    assert (found.is_good, told in found.text) == (is_good, True)


def test_an_api_that_is_not_there_is_found(database_url: str) -> None:
    found = examined(database_url)["api"]
    assert not found.is_good
    assert "nothing answers at 127.0.0.1:1" in found.text


def test_a_url_that_only_answers_404_is_no_api(database_url: str) -> None:
    with SandboxServer(SandboxSettings(echo=True)) as sandbox:
        here = sandbox.url.rstrip("/")
        wrong = examined(database_url, removal_api_url=f"{here}/nothing/here")["api"]
        right = examined(database_url, removal_api_url=f"{here}/rest/ai/image/removal")["api"]
        free = examined(
            database_url, removal_api_url=f"{here}/rest/ai/image/removal", removal_api_key="sandbox", removal_price=1
        )
    assert not wrong.is_good
    assert "only with 404: there is no removal API at this address" in wrong.text
    assert (right.is_good, "paid calls" in right.text) == (True, True)
    assert (free["api"].is_good, "paid calls" in free["api"].text) == (True, False)
    assert "free (would be 1.00 USD) a call" in free["budget"].text


def test_without_a_price_that_is_said(database_url: str) -> None:
    found = examined(database_url)["budget"]
    assert found.is_good
    assert "REMOVAL_PRICE is not set" in found.text


def test_an_older_schema_is_told_and_left_as_it_is(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    found = examined(database_url)
    assert "run `cleanplate db upgrade`" in found["database"].text
    assert "now" not in found
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0001"


def test_an_acknowledged_alarm_is_said_and_is_no_fault(engine: Engine, database_url: str) -> None:
    make_batch(engine, 1)
    with engine.begin() as connection:
        batches.pause(connection, 1, "hand")
    assert not examined(database_url)["now"].is_good
    settings = Settings(_env_file=None)
    transact(engine, lambda connection: alarms.acknowledge(connection, "ann", "paused", settings))
    found = examined(database_url)["now"]
    assert found.is_good
    assert "(acknowledged by ann until it changes): 1 batch is paused by hand." in found.text


@pytest.mark.parametrize("may_ask", [True, False])
def test_a_redis_that_does_not_say_which_server_it_is_is_a_hint(
    database_url: str, redis_url: str, redis_client: Redis, may_ask: bool
) -> None:
    user, password = "of-few-rights", "letters-and-digits-1"
    redis_client.acl_setuser(
        user,
        enabled=True,
        reset=True,
        passwords=[f"+{password}"],
        keys=["*"],
        channels=["*"],
        categories=["+@all", "-@dangerous"],
        commands=["+info" if may_ask else "-info"],
    )
    try:
        found = examined(database_url, redis_url=f"redis://{user}:{password}@{redis_url.rpartition('@')[2]}")["redis"]
    finally:
        redis_client.acl_deluser(user)
    assert found.is_good, found
    assert ("cannot notice a failover (grant +info, see docs/servers.md)" in found.text) is not may_ask
    assert "\n" not in found.text


def test_what_was_not_looked_at_is_said_in_plain_words(engine: Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    fresh, older = examined("")["account"], examined(database_url)["account"]
    assert (fresh.is_good, older.is_good) == (True, True)
    assert fresh.text == "whether its calls are stopped is not looked at here (DATABASE_URL is not set)"
    assert older.text == "whether its calls are stopped is not known before `cleanplate db upgrade`"
