"""The admin endpoint, and the sandbox as a process."""

import hashlib
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx

from tests.sandbox.calls import call, output_of, photo
from tests.sandbox.conftest import Start

ROOT = Path(__file__).parents[2]


def test_stats_tell_which_photo_was_paid_twice(start: Start) -> None:
    server, client = start()
    once, twice = photo(), photo(colour="#ffeecc")
    server.configure(next="ok,ok,801,drop")
    answers = [call(client, once), call(client, twice), call(client, once)]
    assert [answer.json()["resCode"] for answer in answers] == [200, 200, 801]
    with httpx.Client(base_url=server.url, trust_env=False, verify=False) as other:
        try:
            call(other, twice)
        except httpx.TransportError:
            pass
        else:
            raise AssertionError("the call should have been dropped")
    stats = client.get("/admin/stats").json()
    assert stats["images"] == {
        hashlib.sha256(once).hexdigest(): {"calls": 2, "paid": 1},
        hashlib.sha256(twice).hexdigest(): {"calls": 2, "paid": 2},
    }
    assert stats["paid"] == 3
    assert stats["paid_again"] == 1
    assert stats["by_code"] == {"200": 2, "801": 1, "drop": 1}
    assert stats["received"] == stats["accepted"] == 4
    assert stats["in_flight"] == 0
    assert stats["first_accepted"] == stats["accepted_times"][0]
    assert stats["last_accepted"] == stats["accepted_times"][-1]


def test_config_and_reset_over_http(start: Start) -> None:
    server, client = start()
    changes = {"rate": 1, "latency": 0.0, "faults": {"900": 1}, "names": ["Acme"], "throttle_style": "http429"}
    assert client.post("/admin/config", json=changes).status_code == 200
    shown = client.get("/admin/stats").json()["config"]
    assert {name: shown[name] for name in changes} == changes
    assert call(client).json()["resCode"] == 900
    assert call(client).status_code == 429
    assert client.post("/admin/reset").status_code == 200
    assert client.get("/admin/stats").json()["received"] == 0
    assert call(client).json()["resCode"] == 900
    assert server.service.settings.names == ("Acme",)


def test_bad_config_is_explained(start: Start) -> None:
    _, client = start()
    for content in (b"[1]", b"{", b'"x"', b'{"rat": 5}'):
        answer = client.post("/admin/config", content=content)
        assert answer.status_code == 400
        assert answer.json()["error"]


def test_health_and_unknown_paths(start: Start) -> None:
    _, client = start()
    assert client.get("/healthz").json() == {"ok": True}
    assert client.get("/nothing").status_code == 404
    assert client.get("/output/none.jpg").status_code == 404


def test_outputs_are_bounded_and_equal_ones_kept_once(start: Start) -> None:
    server, client = start(output_megabytes=0)
    first = call(client, photo()).json()["data"]["imageUrl"]
    second = call(client, photo(colour="#101010"))
    assert client.get(first).status_code == 404
    assert output_of(client, second) == photo(colour="#101010")
    assert server.stats()["outputs_served"] == 1


def test_hundreds_of_connections_at_once(start: Start) -> None:
    server, _ = start(latency=0.5)
    content = photo((512, 512))
    ready = threading.Barrier(200)
    codes: list[int] = []

    def one() -> None:
        with httpx.Client(base_url=server.url, timeout=30, trust_env=False, verify=False) as client:
            ready.wait()
            codes.append(call(client, content).json()["resCode"])

    threads = [threading.Thread(target=one) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 200
    assert server.stats()["max_in_flight"] > 50


def test_process(tmp_path: Path) -> None:
    """It says where it listens, serves echoes without loading anything heavy, and ends on SIGTERM."""
    code = (
        "import sys; from sandbox.main import main; done = main(sys.argv[1:]);"
        "heavy = {'cv2', 'numpy', 'onnxruntime', 'rapidocr'} & set(sys.modules);"
        "print('heavy', sorted(heavy)); sys.exit(done)"
    )
    port_file = tmp_path / "port"
    options = [
        "--port",
        "0",
        "--port-file",
        str(port_file),
        "--rate",
        "2",
        "--echo",
        "--secret",
        "s3",
        "--faults",
        "801=1",
    ]
    with subprocess.Popen(
        [sys.executable, "-c", code, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"sandbox listening on (http://127\.0\.0\.1:(\d+))\n", line)
        assert found, line
        with httpx.Client(base_url=found[1], trust_env=False, verify=False) as client:
            assert client.get("/healthz").status_code == 200
            assert call(client).json()["code"] == "IncompleteSignature"
            assert client.get("/admin/stats").json()["config"]["faults"] == {"801": 1.0}
        assert port_file.read_text() == f"{found[2]}\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0
    assert out == "heavy []\n"
    assert err == ""


def test_bad_options_are_usage_errors() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "--faults", "sometimes=1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2
    assert "unknown fault 'sometimes'" in done.stderr
