"""Calls that go wrong on request."""

import io
import json
import threading
import time
from typing import Any

import httpx
import pytest
from PIL import Image

from sandbox.faults import Faults, parse_script, parse_shares
from tests.sandbox.calls import call, output_of, photo
from tests.sandbox.conftest import Start


@pytest.mark.parametrize("code", [501, 700, 701, 702, 703, 704, 705, 801, 900, 1000, 1001, 1002, 999])
def test_any_code(start: Start, code: int) -> None:
    server, client = start(faults={str(code): 1.0})
    fields = call(client).json()
    assert fields["resCode"] == code
    assert fields["success"] is False
    assert server.stats()["by_fault"] == {str(code): 1}
    assert server.stats()["paid"] == 0


@pytest.mark.parametrize("code", ["NoResource", "IllegalAccessToken", "ApiCallLimit", "Whatever"])
def test_gateway_codes(start: Start, code: str) -> None:
    _, client = start(faults={code: 1.0})
    answer = call(client)
    assert answer.status_code == 200
    assert answer.json()["code"] == code
    assert answer.json()["request_id"]


@pytest.mark.parametrize(("fault", "status"), [("http500", 500), ("http503", 503), ("html", 200)])
def test_html(start: Start, fault: str, status: int) -> None:
    _, client = start(faults={fault: 1.0})
    answer = call(client)
    assert answer.status_code == status
    assert answer.text.startswith("<html>")


def test_truncated_json(start: Start) -> None:
    server, client = start(faults={"truncated": 1.0})
    with pytest.raises(json.JSONDecodeError):
        call(client).json()
    assert server.stats()["paid"] == 1


@pytest.mark.parametrize("fault", ["drop", "reset_before"])
def test_connection_closed_without_an_answer(start: Start, fault: str) -> None:
    server, client = start()
    server.configure(next=[fault])
    with pytest.raises(httpx.TransportError):
        call(client)
    assert server.stats()["by_code"] == {fault: 1}
    assert server.stats()["paid"] == (1 if fault == "drop" else 0)
    assert call(client).json()["resCode"] == 200


def test_timeout_holds_until_the_client_is_gone(start: Start) -> None:
    server, _ = start(faults={"timeout": 1.0}, timeout_seconds=60)
    with (
        httpx.Client(base_url=server.url, timeout=httpx.Timeout(60, read=0.3), trust_env=False, verify=False) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        call(client)
    while server.stats()["by_code"] != {"timeout": 1}:
        time.sleep(0.005)


def test_timeout_ends_when_the_server_stops(start: Start) -> None:
    server, client = start(faults={"timeout": 1.0}, timeout_seconds=60)
    failed = threading.Event()

    def wait() -> None:
        with pytest.raises(httpx.TransportError):
            call(client)
        failed.set()

    thread = threading.Thread(target=wait)
    thread.start()
    while not server.stats()["by_fault"]:
        time.sleep(0.005)
    server.service.stopping.set()
    assert failed.wait(60)
    thread.join()


def test_missing_output(start: Start) -> None:
    _, client = start(faults={"missing_output": 1.0})
    assert call(client).json()["data"] == {}


def test_output_that_is_gone_or_is_a_page(start: Start) -> None:
    server, client = start()
    server.configure(next="output_404,output_html")
    assert client.get(call(client).json()["data"]["imageUrl"]).status_code == 404
    page = client.get(call(client).json()["data"]["imageUrl"])
    assert page.headers["Content-Type"] == "text/html"
    assert page.text.startswith("<html>")


def test_odd_pictures(start: Start) -> None:
    server, client = start()
    server.configure(next="output_small,unchanged,blank")
    sent = photo(colour="#204060")
    small = Image.open(io.BytesIO(output_of(client, call(client, sent))))
    assert small.size == (300, 260)
    assert output_of(client, call(client, sent)) == sent
    blank = Image.open(io.BytesIO(output_of(client, call(client, sent))))
    assert blank.size == (600, 520)
    assert blank.convert("L").getpixel((300, 260)) == pytest.approx(255 - 60, abs=25)


def test_slow_and_latency(start: Start) -> None:
    server, client = start(latency=0.15, slow_seconds=0.2)
    begin = time.monotonic()
    call(client)
    plain = time.monotonic() - begin
    assert plain >= 0.15
    server.configure(next=["slow"])
    begin = time.monotonic()
    assert call(client).json()["resCode"] == 200
    assert time.monotonic() - begin >= 0.35


def test_script_goes_first_and_in_order(start: Start) -> None:
    server, client = start(faults={"900": 1.0})
    server.configure(next="801*2,ok,1001")
    assert [call(client).json()["resCode"] for _ in range(5)] == [801, 801, 200, 1001, 900]


def test_shares_are_kept_and_repeat_with_a_seed() -> None:
    shares = {"801": 0.2, "drop": 0.1}
    first, second, other = Faults(shares, 5), Faults(shares, 5), Faults(shares, 6)
    picks = [first.pick() for _ in range(4000)]
    assert picks == [second.pick() for _ in range(4000)]
    assert picks != [other.pick() for _ in range(4000)]
    assert picks.count("801") == pytest.approx(800, abs=100)
    assert picks.count("drop") == pytest.approx(400, abs=80)
    assert picks.count(None) == pytest.approx(2800, abs=130)


def test_reading_shares() -> None:
    assert parse_shares(" 801=0.05, timeout=0.01,,NoResource=0.5 ") == {
        "801": 0.05,
        "timeout": 0.01,
        "NoResource": 0.5,
    }
    assert parse_shares("") == {}
    assert parse_script("801*2, ok") == ["801", "801", None]


@pytest.mark.parametrize("text", ["801", "801=x", "sometimes=0.1", "801=-1", "801=0.6,900=0.6", "http200=0.1"])
def test_bad_shares(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_shares(text)


@pytest.mark.parametrize("changes", [{"faults": "x=1"}, {"next": ["never"]}, {"port": 1}, {"rate": -1}, {"rate": "5"}])
def test_bad_configuration_changes_nothing(start: Start, changes: dict[str, Any]) -> None:
    server, client = start(rate=9)
    with pytest.raises(ValueError, match=r"."):
        server.configure(latency=5.0, **changes)
    assert client.post("/admin/config", json={"latency": 5.0, **changes}).status_code == 400
    assert server.service.settings.rate == 9
    assert server.service.settings.latency == 0
