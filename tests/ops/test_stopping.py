"""What a role says and does when it ends, in good order or not."""

import json
import subprocess
import sys
from pathlib import Path

from localstack.ports import free_port
from tests.chaos.fleet import Fleet, make_photos
from tests.servers import Servers


def test_a_collector_that_is_gone_keeps_no_role_from_ending(tmp_path: Path, servers: Servers) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": nobody, "OTEL_BSP_SCHEDULE_DELAY": "200", "REMOVAL_TIMEOUT": "10"}
    with Fleet(tmp_path / "fleet", rate=20, latency=0.1, servers=servers, settings=settings) as fleet:
        roles = [fleet.start("dispatcher"), fleet.start("worker")]
        fleet.wait_for_done(fleet.submit(make_photos(tmp_path / "photos", 2)), 2)
        for role in reversed(roles):
            assert role.stop() == 0
    [log] = (tmp_path / "fleet").glob("worker-*.log")
    lines = log.read_text().splitlines()
    assert [line for line in lines if not line.startswith("{")] == []
    events = [json.loads(line)["event"] for line in lines]
    assert sum(event.startswith("told to stop") for event in events) == 1
    assert events[-1] == "stopped"


CRASH = """
import sys
from cli import group, main
from core.logs import configure_logs

def crash(**_):
    configure_logs("INFO", "worker")
    raise RuntimeError("broken")

group.cleanplate.main = crash
main.main()
"""


def test_a_role_that_crashes_logs_where(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CRASH], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    [line] = map(json.loads, done.stderr.splitlines())
    assert (line["level"], line["role"]) == ("critical", "worker")
    assert line["exception"][0]["exc_value"] == "broken"
    assert line["exception"][0]["frames"]
    assert list(tmp_path.iterdir()) == []
