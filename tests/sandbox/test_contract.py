"""Every documented parameter, bound and code, over HTTP."""

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.sandbox.calls import PATH, body, call, output_of, photo, query
from tests.sandbox.conftest import Start

BIG = b"\xff\xd8\xff" + bytes(10 * 1024 * 1024)


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def bomb() -> bytes:
    """A small file that is a very large picture."""
    buffer = io.BytesIO()
    Image.new("1", (20000, 20000)).save(buffer, "PNG")
    return buffer.getvalue()


def sent_as_text(changes: dict[str, Any]) -> dict[str, Any]:
    """Draw what is to be sent: not where tests are named, which each of their processes does for all of them."""
    return {name: text(value()) if callable(value) else value for name, value in changes.items()}


@pytest.mark.parametrize("form", ["JPEG", "PNG", "BMP"])
def test_echo_returns_the_very_bytes(start: Start, form: str) -> None:
    _, client = start()
    sent = photo(form=form)
    answer = call(client, sent)
    fields = answer.json()
    assert answer.status_code == 200
    assert fields["resCode"] == 200
    assert fields["resMessage"] == "success"
    assert fields["success"] is True
    assert fields["requestId"]
    assert output_of(client, answer) == sent


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        pytest.param(700, {"image_Base64": None}, id="no-photo"),
        pytest.param(700, {"object_remove_elements": None}, id="no-subject-elements"),
        pytest.param(700, {"object_remove_elements": "[]", "non_object_remove_elements": "[]"}, id="both-empty"),
        pytest.param(700, {"object_remove_elements": [], "non_object_remove_elements": None}, id="empty-and-missing"),
        pytest.param(700, {"object_remove_elements": "[0]"}, id="element-0"),
        pytest.param(700, {"non_object_remove_elements": [5]}, id="element-5"),
        pytest.param(700, {"object_remove_elements": [True]}, id="element-true"),
        pytest.param(700, {"object_remove_elements": "1,2"}, id="not-json"),
        pytest.param(700, {"object_remove_elements": {"1": 2}}, id="not-an-array"),
        pytest.param(700, {"image_Base64": 5}, id="number-as-photo"),
        pytest.param(700, {"mask": "1 2 3"}, id="mask-odd"),
        pytest.param(700, {"mask": "1 x"}, id="mask-letters"),
        pytest.param(700, {"mask": "-1 5"}, id="mask-negative"),
        pytest.param(700, {"mask": "0 312001"}, id="mask-past-the-end"),
        pytest.param(700, {"mask": "5 0"}, id="mask-empty-run"),
        pytest.param(701, {"image_url": "http://127.0.0.1:1/a.jpg"}, id="url-refused"),
        pytest.param(701, {"image_url": "file:///etc/hostname"}, id="url-of-a-file"),
        pytest.param(702, {"image_Base64": "@@@@"}, id="not-base64"),
        pytest.param(702, {"image_Base64": text(b"no picture at all")}, id="not-a-picture"),
        pytest.param(703, {"image_Base64": lambda: photo((511, 600))}, id="narrow"),
        pytest.param(703, {"image_Base64": lambda: photo((600, 511))}, id="low"),
        pytest.param(703, {"image_Base64": lambda: photo((3001, 600))}, id="wide"),
        pytest.param(703, {"image_Base64": lambda: photo((600, 3001))}, id="high"),
        pytest.param(703, {"image_Base64": bomb}, id="bomb"),
        pytest.param(704, {"image_Base64": lambda: photo(form="GIF")}, id="gif"),
        pytest.param(704, {"image_Base64": lambda: photo(form="WEBP")}, id="webp"),
        pytest.param(705, {"image_Base64": lambda: BIG}, id="over-10-mb"),
    ],
)
def test_refusals(start: Start, code: int, changes: dict[str, Any]) -> None:
    server, client = start()
    answer = call(client, **sent_as_text(changes))
    assert answer.status_code == 200
    assert answer.json()["resCode"] == code, answer.text
    assert answer.json()["success"] is False
    assert server.stats()["by_code"] == {str(code): 1}


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"[" * 100_000])
def test_body_that_is_no_object(start: Start, content: bytes) -> None:
    _, client = start()
    assert client.post(PATH, params=query(), content=content).json()["resCode"] == 700


@pytest.mark.parametrize("size", [(512, 512), (3000, 512), (512, 3000)])
def test_bounds_are_inside(start: Start, size: tuple[int, int]) -> None:
    _, client = start()
    assert call(client, photo(size)).json()["resCode"] == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"object_remove_elements": [1, 2], "non_object_remove_elements": None},
        {"object_remove_elements": "[]", "non_object_remove_elements": "[3]"},
        {"object_remove_elements": None, "non_object_remove_elements": None, "mask": "0 600  1200   600 "},
        {"image_Base64": None, "image_base64": text(photo())},
        {"mask": ""},
    ],
)
def test_accepted_spellings(start: Start, changes: dict[str, Any]) -> None:
    _, client = start()
    assert call(client, **changes).json()["resCode"] == 200


def test_url_wins_over_base64_and_get_works(start: Start) -> None:
    _, shop = start()
    shown = photo(colour="#336699")
    url = call(shop, shown).json()["data"]["imageUrl"]
    _, client = start()
    assert output_of(client, call(client, image_url=url)) == shown
    parameters = query() | {"image_url": url, "object_remove_elements": "[3]"}
    assert output_of(client, client.get(PATH, params=parameters)) == shown


def test_url_that_answers_404(start: Start) -> None:
    _, shop = start()
    _, client = start()
    missing = f"{shop.base_url}/output/none.jpg"
    assert call(client, image_url=missing).json()["resCode"] == 701


def test_cut_off_photo_is_found_when_it_is_worked_on(start: Start) -> None:
    _, client = start(echo=False)
    assert call(client, photo()[:-700]).json()["resCode"] == 702


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("InvalidAppKey", {"app_key": "other"}),
        ("IncompleteSignature", {"sign": "00"}),
        ("IncompleteSignature", {"sign": ""}),
        ("IncompleteSignature", {"sign": "é"}),
        ("IncompleteSignature", {"sign_ver": "v1"}),
        ("IncompleteSignature", {"secret": "wrong"}),
        ("IllegalTimestamp", {"timestamp": "1700000000000"}),
        ("IllegalTimestamp", {"timestamp": "yesterday"}),
        ("IllegalTimestamp", {"timestamp": "9" * 5000}),
    ],
)
def test_signature(start: Start, code: str, changes: dict[str, str]) -> None:
    server, client = start()
    answer = client.post(PATH, params=query(**changes), json=body())
    assert answer.status_code == 200
    assert answer.json()["type"] == "ISV"
    assert answer.json()["code"] == code
    assert server.stats()["accepted"] == 0


def test_signature_is_upper_case(start: Start) -> None:
    _, client = start()
    parameters = query()
    parameters["sign"] = parameters["sign"].lower()
    assert client.post(PATH, params=parameters, json=body()).json()["code"] == "IncompleteSignature"


def test_mask_changes_only_what_it_covers(start: Start) -> None:
    _, client = start(echo=False)
    picture = Image.new("RGB", (600, 520), "#ffffff")
    picture.paste("#d02020", (100, 50, 140, 60))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    mask = " ".join(f"{(50 + row) * 600 + 100} 40" for row in range(10))
    out = Image.open(io.BytesIO(output_of(client, call(client, buffer.getvalue(), mask=mask))))
    assert out.format == "PNG"
    assert out.size == (600, 520)
    assert out.convert("RGB").getcolors(1000) == [(600 * 520, (255, 255, 255))]


def test_outputs_expire(start: Start) -> None:
    _, client = start(output_seconds=0)
    url = call(client).json()["data"]["imageUrl"]
    assert client.get(url).status_code == 404


def test_output_address_is_the_one_the_client_uses(start: Start) -> None:
    server, client = start()
    answer = client.post(PATH, params=query(), json=body(), headers={"Host": f"localhost:{server.port}"})
    assert answer.json()["data"]["imageUrl"].startswith(f"http://localhost:{server.port}/output/")


def test_connection_is_kept(start: Start) -> None:
    server, _ = start()
    with httpx.Client(
        base_url=server.url, limits=httpx.Limits(max_connections=1), trust_env=False, verify=False
    ) as client:
        ports = set()
        for _ in range(3):
            answer = call(client)
            ports.add(answer.extensions["network_stream"].get_extra_info("client_addr"))
    assert len(ports) == 1
