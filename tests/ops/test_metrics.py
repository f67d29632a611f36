"""Metrics as Prometheus reads them, and what is made of them."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from core.metrics import registry_of, render, serve_metrics
from core.settings import Settings
from db import batches, tokens
from db.session import make_engine
from db.tokens import Scope
from localstack.ports import free_port
from producer.fleet_metrics import FleetCollector
from producer.metrics import LOST_MESSAGES
from tests.console.conftest import MakeWeb
from tests.db.rows import make_batch
from tests.ops.conftest import PHOTOS, Watched
from tests.ops.hanging import Hanging

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/dashboards/cleanplate.json"
NO_PROMETHEUS = "Prometheus did not really scrape: it is not here (apt-get install prometheus)"
NAME = re.compile(r"\bcleanplate_[a-z_]+")


def samples(shown: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return every value, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(shown)
        for sample in family.samples
    }


def value(shown: str, name: str, **labels: str) -> float:
    """Return one value."""
    return samples(shown)[name, tuple(sorted(labels.items()))]


def test_a_worker_counts_calls_waits_and_photos(watched: Watched) -> None:
    shown = watched.metrics("worker")
    assert value(shown, "cleanplate_calls_total", **{"class": "success", "code": "200"}) == PHOTOS
    assert value(shown, "cleanplate_calls_total", **{"class": "provider_fault", "code": "801"}) == 1
    assert value(shown, "cleanplate_call_seconds_count") == PHOTOS + 1
    assert value(shown, "cleanplate_call_seconds_sum") >= 0.1 * PHOTOS
    assert value(shown, "cleanplate_permit_wait_seconds_count") == PHOTOS + 1
    assert value(shown, "cleanplate_job_seconds_count", lane="bulk", state="succeeded") == PHOTOS
    assert value(shown, "cleanplate_job_seconds_count", lane="bulk", state="dead") == 1
    with watched.fleet.engine.connect() as connection:
        stored = connection.execute(text("SELECT sum(size_bytes) FROM artifacts")).scalar_one()
    assert value(shown, "cleanplate_artifact_bytes_total") == stored


def test_the_leader_tells_of_the_fleet(watched: Watched) -> None:
    shown = watched.metrics("dispatcher")
    assert value(shown, "cleanplate_dispatched_total", lane="bulk") >= PHOTOS + 2
    assert value(shown, "cleanplate_dispatcher_leaders") == 1
    assert value(shown, "cleanplate_limiter_calls_per_second", rate="configured") == 20
    assert 0 < value(shown, "cleanplate_limiter_calls_per_second", rate="learned") <= 20
    for reason in ("account", "outage"):
        assert value(shown, "cleanplate_circuit_open", reason=reason) == 0
    for lane in ("interactive", "bulk"):
        assert value(shown, "cleanplate_oldest_pending_seconds", lane=lane) == 0
        for state in ("pending", "queued", "running"):
            assert value(shown, "cleanplate_jobs", lane=lane, state=state) == 0
    assert {value(shown, "cleanplate_processes", role=role) for role in ("web", "worker", "dispatcher")} == {1}
    assert value(shown, "cleanplate_batch_budget_left_ratio") == 1
    # Web tells the same, so that either may be asked.
    assert value(watched.metrics("web"), "cleanplate_cost_today", currency="USD") == 0  # the sandbox is free


def test_no_series_tells_single_photos_apart(watched: Watched) -> None:
    allowed = {"class", "code", "lane", "state", "rate", "reason", "role", "screen", "currency", "le"}
    for role in ("worker", "dispatcher", "web"):
        for name, labels in samples(watched.metrics(role)):
            if name.startswith("cleanplate_"):
                assert {label for label, _ in labels} <= allowed
        assert "p0001" not in watched.metrics(role)


def test_names_are_in_base_units(watched: Watched) -> None:
    for role in ("worker", "dispatcher", "web"):
        for family in text_string_to_metric_families(watched.metrics(role)):
            if family.name.startswith("cleanplate_"):
                assert family.documentation
                assert not re.search("_(ms|millis|kb|mb|minutes|percent)$", family.name)
                if family.type == "histogram":
                    assert family.name.endswith("_seconds")


def exported(watched: Watched) -> set[str]:
    """Return every name that any process shows, and those that a setting brings."""
    shown = {name for role in ("worker", "dispatcher", "web") for name, _ in samples(watched.metrics(role))}
    # There only with REMOVAL_DAILY_CALLS.
    limited = {"cleanplate_daily_calls_left", "cleanplate_daily_calls_limit"}
    source = (ROOT / "producer/fleet_metrics.py").read_text()
    assert all(name in source for name in limited)
    return shown | limited


def test_alerts_and_the_dashboard_ask_for_what_there_is(watched: Watched) -> None:
    names = exported(watched)
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in NAME.findall(rule["expr"])}
    panels = json.loads(DASHBOARD.read_text())["panels"]
    drawn = {name for panel in panels for target in panel["targets"] for name in NAME.findall(target["expr"])}
    assert asked <= names
    assert drawn <= names
    # Nothing is measured that nobody can see.
    seen = {re.sub("_(bucket|count|sum|created|total)$", "", name) for name in drawn}
    assert {re.sub("_(bucket|count|sum|created|total)$", "", n) for n in names if n.startswith("cleanplate_")} == seen
    for rule in rules:
        assert rule["annotations"].keys() == {"summary", "action", "runbook_url"}
        assert rule["labels"]["severity"] in {"info", "warning", "critical"}


def test_what_the_web_application_shows_is_not_for_everybody(make_web: MakeWeb) -> None:
    web = make_web()
    assert "cleanplate_jobs" in web.client.get("/metrics").text
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"):
        assert web.client.get("/metrics", headers={name: "127.0.0.1"}).status_code == 401
    made = {}
    with web.engine.begin() as connection:
        for scope in Scope:
            made[scope] = tokens.create(connection, name=scope, scopes=[scope])[1]
    for scope, token in made.items():
        headers = {"X-Forwarded-For": "10.0.0.1", "Authorization": f"Bearer {token}"}
        assert (web.client.get("/metrics", headers=headers).status_code == 200) == (scope is Scope.READ)


@pytest.mark.parametrize(
    ("public_url", "status"),
    [
        ("https://shop.example", 401),
        ("http://192.0.2.7:8080/", 401),
        ("http://localhost:8080", 200),
        ("http://127.0.0.1:8080/", 200),
        ("http://[::1]:8080", 200),
    ],
)
def test_what_others_reach_asks_for_a_token_whoever_seems_to_come(
    make_web: MakeWeb, public_url: str, status: int
) -> None:
    assert make_web(web_public_url=public_url).client.get("/metrics").status_code == status


@contextmanager
def prometheus(folder: Path, targets: list[str]) -> Iterator[httpx.Client]:
    """Run Debian's Prometheus with our alerts."""
    port = free_port()
    config: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(ALERTS)]
    config["scrape_configs"] = [{"job_name": "cleanplate", "static_configs": [{"targets": targets}]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stdout=(folder / "prometheus.log").open("wb"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=120) as client:
            yield client
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.skipif(shutil.which("prometheus") is None, reason=NO_PROMETHEUS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_prometheus_really_scrapes_it(watched: Watched, tmp_path: Path) -> None:
    checked = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    targets = [f"127.0.0.1:{watched.ports[role]}" for role in ("worker", "dispatcher", "web")]

    def ask(client: httpx.Client, query: str) -> list[Any]:
        try:
            return list(client.get("/query", params={"query": query}).json()["data"]["result"])
        except (httpx.HTTPError, KeyError, ValueError):
            return []

    with prometheus(tmp_path, targets) as client:
        watched.fleet.wait_until(lambda: len(ask(client, "up == 1")) == len(targets), 120)
        found = ask(client, 'sum(cleanplate_calls_total{class="success"})')
        assert float(found[0]["value"][1]) == PHOTOS
        assert ask(client, "max(cleanplate_dispatcher_leaders)")[0]["value"][1] == "1"
        rules = client.get("/rules").json()["data"]["groups"][0]["rules"]
        watched.fleet.wait_until(
            lambda: all(rule["health"] == "ok" for rule in client.get("/rules").json()["data"]["groups"][0]["rules"]),
            30,
        )
        assert {rule["name"] for rule in rules} >= {"QuotaUnderUsed", "CircuitOpen", "WorkersFallSilent"}
        for panel in json.loads(DASHBOARD.read_text())["panels"]:
            for target in panel["targets"]:
                answer = client.get("/query", params={"query": target["expr"]}).json()
                assert answer["status"] == "success", (target["expr"], answer)


@pytest.mark.skipif(shutil.which("promtool") is None, reason=NO_PROMETHEUS)
def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    """Prometheus' own tool plays time forward."""

    def series(name: str, values: str) -> dict[str, str]:
        return {"series": name, "values": values}

    quiet = [
        series('cleanplate_calls_total{class="success",code="200"}', "0+300x120"),
        series('cleanplate_limiter_calls_per_second{rate="learned"}', "5x120"),
        series('cleanplate_oldest_pending_seconds{lane="bulk"}', "600x120"),
        series('cleanplate_oldest_pending_seconds{lane="interactive"}', "0x120"),
        series('cleanplate_circuit_open{reason="outage"}', "0x120"),
        series("cleanplate_dispatcher_leaders", "1x120"),
        series('cleanplate_processes{role="worker"}', "3x120"),
        series('cleanplate_jobs{lane="bulk",state="pending"}', "100x120"),
        series("cleanplate_batch_budget_left_ratio", "1x120"),
        series("cleanplate_daily_calls_limit", "100x120"),
        series("cleanplate_daily_calls_left", "90x120"),
        series('cleanplate_paused_batches{reason="budget"}', "0x120"),
        series('cleanplate_paused_batches{reason="hand"}', "3x120"),
        series("cleanplate_redis_up", "1x120"),
        series("cleanplate_postgres_up", "1x120"),
        series('up{job="cleanplate",instance="worker:9464"}', "1x120"),
        series('cleanplate_rescues_total{state="pending"}', "0x120"),
    ]
    bad = {
        "QuotaUnderUsed": {'cleanplate_calls_total{class="success",code="200"}': "0+60x120"},
        # Nobody calls at all; everybody is throttled.
        "QuotaUnderUsed ": {'cleanplate_calls_total{class="success",code="200"}': "0x120"},
        "QuotaUnderUsed  ": {
            'cleanplate_calls_total{class="success",code="200"}': "0x120",
            'cleanplate_calls_total{class="throttled",code="501"}': "0+300x120",
        },
        "CircuitOpen": {'cleanplate_circuit_open{reason="outage"}': "1x120"},
        "OldestPhotoWaits": {'cleanplate_oldest_pending_seconds{lane="interactive"}': "90x120"},
        "BulkPhotoWaits": {'cleanplate_oldest_pending_seconds{lane="bulk"}': "100000x120"},
        "WorkersFallSilent": {'cleanplate_rescues_total{state="pending"}': "0+2x120"},
        # All that a killed worker had is rescued at once.
        "WorkersFallSilent ": {'cleanplate_rescues_total{state="pending"}': "0x35 60x80"},
        "DailyCallsNear": {"cleanplate_daily_calls_left": "5x120"},
        "RedisDown": {"cleanplate_redis_up": "0x120"},
        "PostgresDown": {"cleanplate_postgres_up": "0x120"},
        "BatchStandsStill": {'cleanplate_paused_batches{reason="budget"}': "1x120"},
        "TargetDown": {'up{job="cleanplate",instance="worker:9464"}': "0x120"},
        "BatchBudgetNear": {"cleanplate_batch_budget_left_ratio": "0.05x120"},
        # It was near its end for no longer than one scrape.
        "BatchBudgetNear ": {"cleanplate_batch_budget_left_ratio": "1x39 0.05 1x80"},
        "NobodyLeads": {"cleanplate_dispatcher_leaders": "0x120"},
        "NobodyWorks": {'cleanplate_processes{role="worker"}': "0x120"},
    }

    def given(name: str) -> list[dict[str, str]]:
        changed = bad.get(name, {})
        return [each for each in quiet if each["series"] not in changed] + [
            series(key, values) for key, values in changed.items()
        ]

    def tell(path: Path, cases: list[tuple[str, list[str]]]) -> "subprocess.CompletedProcess[str]":
        """Have it said, for each case, that none of some alerts fires."""
        tests = [
            {
                "interval": "1m",
                "input_series": given(name),
                "alert_rule_test": [
                    {"eval_time": "40m", "alertname": alert, "exp_alerts": []} for alert in sorted(alerts)
                ],
            }
            for name, alerts in cases
        ]
        path.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": tests}))
        return subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)

    alerts = {name.strip() for name in bad}
    calm = tell(tmp_path / "calm.yml", [(name, sorted(alerts - {name.strip()})) for name in ("", *bad)])
    assert calm.returncode == 0, calm.stdout + calm.stderr
    told = tell(tmp_path / "bad.yml", [(name, [name.strip()]) for name in bad])
    # None of them was expected to fire, and each did.
    fired = Counter(re.findall(r"alertname: ?(\w+), time: 40m", told.stdout + told.stderr))
    assert fired == Counter(name.strip() for name in bad), told.stdout + told.stderr


def test_alerts_are_all_tried() -> None:
    rules = [rule["alert"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    source = Path(__file__).read_text()
    assert [name for name in rules if f'"{name}": {{' not in source] == []


def test_what_is_counted_is_there_before_it_happens() -> None:
    """Prometheus sees no increase in a series whose first value is what it increased to."""
    program = (
        "from core.metrics import registry_of, render\nimport worker.metrics, producer.metrics\n"
        "print(render(registry_of()).decode())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    for state in ("pending", "held", "dead", "cancelled"):
        assert value(done.stdout, "cleanplate_rescues_total", state=state) == 0
    assert value(done.stdout, "cleanplate_calls_total", **{"class": "success", "code": "200"}) == 0
    assert value(done.stdout, "cleanplate_calls_total", **{"class": "maybe_billed", "code": "worker_lost"}) == 0
    for lane in ("interactive", "bulk"):
        assert value(done.stdout, "cleanplate_dispatched_total", lane=lane) == 0
        assert value(done.stdout, "cleanplate_reused_total", lane=lane) == 0


def test_what_others_tell_is_shown_though_postgres_hangs(redis_url: str) -> None:
    with Hanging() as where:
        engine = make_engine(f"postgresql://x:y@{where}/z", pooled=False)
        registry = registry_of(FleetCollector(engine, Settings(_env_file=None, redis_url=redis_url)))
        for _ in range(2):
            LOST_MESSAGES.inc()
            shown = render(registry).decode()
            assert "cleanplate_lost_messages_total" in shown
            assert "cleanplate_jobs" not in shown
            assert value(shown, "cleanplate_postgres_up") == 0
            assert value(shown, "cleanplate_redis_up") == 1
            assert value(shown, "cleanplate_limiter_reserved_seconds") == 0


def test_what_others_tell_is_shown_though_redis_hangs(engine: Engine) -> None:
    with Hanging() as where:
        settings = Settings(_env_file=None, redis_url=f"redis://{where}/0")
        shown = render(registry_of(FleetCollector(engine, settings))).decode()
    assert value(shown, "cleanplate_redis_up") == 0
    assert value(shown, "cleanplate_postgres_up") == 1
    assert value(shown, "cleanplate_jobs", lane="bulk", state="pending") == 0


def test_the_calls_that_count_for_the_days_limit_are_not_those_of_all_accounts(engine: Engine) -> None:
    settings = Settings(_env_file=None, redis_url="", removal_daily_calls=5)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO call_rates (at, calls, throttled, failed) VALUES (now(), 40, 0, 0)"))
        counted = "INSERT INTO daily_calls VALUES (:account, CAST(now() AT TIME ZONE 'UTC' AS date), 2)"
        connection.execute(text(counted), {"account": settings.account})
    shown = render(registry_of(FleetCollector(engine, settings))).decode()
    assert value(shown, "cleanplate_calls_today") == 40
    assert value(shown, "cleanplate_daily_calls_limit") == 5
    assert value(shown, "cleanplate_daily_calls_left") == 3


def test_batches_that_stand_still_are_counted_by_reason(engine: Engine) -> None:
    for _ in range(2):
        make_batch(engine, 1)
    with engine.begin() as connection:
        batches.pause(connection, 2, "canary")
    shown = render(registry_of(FleetCollector(engine, Settings(_env_file=None, redis_url="")))).decode()
    told = {reason: value(shown, "cleanplate_paused_batches", reason=reason) for reason in ("hand", "budget", "canary")}
    assert told == {"hand": 0, "budget": 0, "canary": 1}


def test_a_schema_that_is_not_there_yet_hides_only_what_is_in_it(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE processes RENAME TO elsewhere"))
    LOST_MESSAGES.inc()
    shown = render(registry_of(FleetCollector(engine, Settings(_env_file=None, redis_url="")))).decode()
    assert "cleanplate_lost_messages_total" in shown
    assert "cleanplate_processes" not in shown


def test_a_limiter_nobody_can_ask_tells_nothing(engine: Engine) -> None:
    settings = Settings(_env_file=None, redis_url="redis://127.0.0.1:1/0")
    shown = render(registry_of(FleetCollector(engine, settings))).decode()
    assert value(shown, "cleanplate_redis_up") == 0
    assert value(shown, "cleanplate_limiter_calls_per_second", rate="configured") == 5
    assert 'rate="learned"' not in shown
    assert "cleanplate_limiter_closed_seconds" not in shown


def test_a_local_stack_is_counted_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    caplog.set_level("INFO")
    port = free_port()
    assert serve_metrics("127.0.0.1", port) is None
    assert [record.message for record in caplog.records if "web's /metrics shows" in record.message]
    caplog.clear()
    assert serve_metrics("127.0.0.1", 0) is None
    assert caplog.messages == []


def test_a_port_that_is_taken_is_left_to_who_has_it(watched: Watched) -> None:
    other = watched.fleet.start("worker", METRICS_PORT=str(watched.ports["worker"]))
    log = watched.folder / f"worker-{len(watched.fleet.roles) - 1}.log"
    done = threading.Event()
    watched.fleet.wait_until(lambda: "metrics are at" in log.read_text() or done.is_set(), 120)
    found = re.search(r"metrics are at http://127\.0\.0\.1:(\d+)/metrics", log.read_text())
    assert found
    assert watched.ports["worker"] < int(found[1]) <= watched.ports["worker"] + 15
    assert httpx.get(f"http://127.0.0.1:{found[1]}/metrics").status_code == 200
    other.stop()
