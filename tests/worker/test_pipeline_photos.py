"""Photos through the pipeline: fitted and put back, sent in the way asked for, masked, and held when in doubt."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.hostile.pictures import KINDS as HOSTILE
from core.states import Fit, Send
from db import artifacts
from photos.source import Source
from producer.intake import BatchOptions
from removal.bounds import Bounds
from removal.client import RemovalClient
from removal.contract import RemovalRequest
from removal.mask import ask_for_drawn, mask_from_boxes, read_mask
from tests.photos.fitting.kinds import KINDS, flat, psnr
from tests.photos.pictures import drawn, saved
from tests.worker.conftest import Bench, MakeBench
from worker import output, paid_output, prepare

JPEG = KINDS["jpeg"](600, 560)
TURNED = KINDS["jpeg turned 6"](600, 560)
STRICT = BatchOptions(fit=Fit.STRICT)
URL_IN_BODY = 2000
"""A body with a URL in it is shorter than this, one with a photo longer."""

Submit = Callable[..., Bench]


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> list[RemovalRequest]:
    """Every request that is made ready to be sent."""
    made: list[RemovalRequest] = []
    prepare = RemovalClient.prepare

    def note(client: RemovalClient, request: RemovalRequest) -> Any:
        made.append(request)
        return prepare(client, request)

    monkeypatch.setattr(RemovalClient, "prepare", note)
    return made


@pytest.fixture
def submit(make_bench: MakeBench, tmp_path: Path) -> Submit:
    """Return a function that hands in one photo, perhaps with a mask, and gives the bench."""

    def hand_in(data: bytes, options: BatchOptions | None = None, mask: str | None = None, **settings: Any) -> Bench:
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        (folder / "a.jpg").write_bytes(data)
        listed = tmp_path / "photos.jsonl"
        listed.write_text(json.dumps({"path": str(folder / "a.jpg")} | ({"mask": mask} if mask else {})))
        bench = make_bench(**settings)
        bench.submit(listed, options)
        return bench

    return hand_in


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bench, bytes], None]:
    """Return a function that makes a photo's source a URL that anybody could fetch."""

    def publish(bench: Bench, data: bytes) -> None:
        name = bench.sandbox.service.outputs.add(data, "jpg", seconds=60)
        source = Source(data, f"{bench.sandbox.url}/output/{name}")
        monkeypatch.setattr(prepare, "read_source", lambda *_, **__: source)

    return publish


def artifact(bench: Bench) -> bytes:
    return artifacts.fetch(bench.engine, bench.job()["artifact_sha256"])


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("jpeg", (600, 560)),
        ("jpeg turned 6", (700, 520)),
        ("jpeg cmyk", (600, 560)),
        ("png alpha", (300, 200)),
        ("png 16 bit", (600, 560)),
        ("webp", (3300, 600)),
        ("gif", (200, 100)),
        ("tiff lzw", (600, 560)),
        ("avif", (600, 560)),
    ],
)
def test_any_photo_comes_back_as_it_was(submit: Submit, kind: str, size: tuple[int, int]) -> None:
    source = KINDS[kind](*size)
    bench = submit(source)
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    cleaned = artifact(bench)
    with Image.open(io.BytesIO(source)) as before, Image.open(io.BytesIO(cleaned)) as after:
        assert (after.format, after.size) == (before.format, before.size)
        assert after.getexif().get(0x0112) == before.getexif().get(0x0112)
    assert flat(cleaned).size == flat(source).size
    assert cleaned != source
    job = bench.job()
    assert (job["width"], job["height"]) == size
    # Of a photo that was padded, the square in the middle covers most.
    assert 0.02 < job["changed_ratio"] < 0.7


def test_the_key_of_a_photo_is_what_it_always_was(submit: Submit) -> None:
    import hashlib

    bench = submit(JPEG)
    bench.run_out()
    sha256 = hashlib.sha256(JPEG).hexdigest()
    wanted = hashlib.sha256(f"sandbox|{sha256}|(1, 2, 3, 4)|(1, 2, 3, 4)|".encode()).hexdigest()
    assert bench.job()["content_key"] == wanted


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (saved(drawn(400, 600)), "too_small"),
        (saved(drawn(), "WEBP"), "format_unsupported"),
        (saved(drawn(mode="CMYK")), "mode_unsupported"),
        (JPEG + bytes(10_000_000), "too_many_bytes"),
    ],
)
def test_strict_refuses_what_fit_takes(submit: Submit, data: bytes, code: str) -> None:
    bench = submit(data, STRICT)
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("dead", code)
    assert bench.sandbox.stats()["received"] == 0
    bench = submit(data)
    bench.run_out()
    assert [row["state"] for row in bench.rows("SELECT state FROM jobs ORDER BY id")] == ["dead", "succeeded"]


@pytest.mark.parametrize("options", [None, STRICT])
def test_a_photo_that_would_break_its_decoder_is_dead_and_costs_nothing(
    submit: Submit, options: BatchOptions | None
) -> None:
    bench = submit(HOSTILE["JPEG of small Exif segments"](5_000_000), options)
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("dead", "undecodable")
    assert bench.sandbox.stats()["received"] == 0


def test_an_output_that_would_break_its_decoder_is_none(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = submit(JPEG, max_attempts=2)
    monkeypatch.setattr(output, "_download", lambda *_: HOSTILE["PNG of small chunks"](5_000_000))
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("dead", "output_undecodable")


def test_strict_sends_what_is_acceptable_as_it_is(submit: Submit, requests: list[RemovalRequest]) -> None:
    bench = submit(TURNED, STRICT)
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert requests[0].image_bytes == TURNED
    assert flat(artifact(bench)).size == flat(TURNED).size


def test_bytes_that_could_not_be_read_are_re_encoded_once(submit: Submit, requests: list[RemovalRequest]) -> None:
    bench = submit(JPEG)
    bench.sandbox.configure(next="702,ok")
    assert [ending.state for ending in bench.run_out()] == ["pending", "succeeded"]
    first, second = (request.image_bytes for request in requests)
    assert first == JPEG
    assert second is not None
    assert second != JPEG
    with Image.open(io.BytesIO(second)) as image:
        assert (image.format, image.size) == ("JPEG", (600, 560))
    assert artifact(bench) not in {first, second}


def test_bytes_that_can_never_be_read_end_the_job(submit: Submit, requests: list[RemovalRequest]) -> None:
    bench = submit(KINDS["webp"](600, 560))
    bench.sandbox.configure(faults={"702": 1.0})
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("dead", "702")
    assert len({request.image_bytes for request in requests}) == len(requests) == 2


def test_a_paid_output_of_a_re_encoded_photo_is_put_back_later(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = submit(JPEG)
    bench.sandbox.configure(next="702,ok")
    bench.run_due()

    def die(*_: object) -> object:
        raise RuntimeError("surprise")

    with monkeypatch.context() as patch:
        patch.setattr(paid_output, "collect", die)
        bench.run_due()
    assert bench.job()["output_url"]
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert bench.sandbox.stats()["accepted"] == 2


def test_a_public_url_of_an_acceptable_photo_is_sent_as_url(
    submit: Submit, published: Callable[[Bench, bytes], None], requests: list[RemovalRequest]
) -> None:
    bench = submit(JPEG)
    published(bench, JPEG)
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    [request] = requests
    assert request.image_bytes is None
    assert bench.attempts()[0]["bytes_sent"] < URL_IN_BODY


def test_a_url_the_api_cannot_fetch_is_followed_by_bytes(
    submit: Submit, published: Callable[[Bench, bytes], None], requests: list[RemovalRequest]
) -> None:
    bench = submit(JPEG)
    published(bench, JPEG)
    bench.sandbox.configure(next="701,ok")
    assert [ending.state for ending in bench.run_out()] == ["pending", "succeeded"]
    assert [request.image_bytes for request in requests] == [None, JPEG]


@pytest.mark.parametrize(
    ("data", "options", "settings"),
    [
        (JPEG, BatchOptions(send=Send.BYTES), {}),
        (TURNED, BatchOptions(), {}),
        (KINDS["webp"](600, 560), BatchOptions(), {}),
    ],
    ids=["asked for", "turned", "webp"],
)
def test_what_is_sent_as_bytes_though_it_has_a_url(
    submit: Submit,
    published: Callable[[Bench, bytes], None],
    requests: list[RemovalRequest],
    data: bytes,
    options: BatchOptions,
    settings: dict[str, Any],
) -> None:
    bench = submit(data, options, **settings)
    published(bench, data)
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert [request.image_url for request in requests] == [None]


@pytest.mark.parametrize(
    ("data", "is_public", "send", "takes_bytes", "code", "words"),
    [
        (JPEG, False, Send.URL, True, "url_not_public", "Publish it"),
        (TURNED, True, Send.URL, True, "url_not_fitting", "turned upright"),
        (JPEG, False, Send.AUTO, False, "url_not_public", "by their URLs only"),
        (TURNED, True, Send.AUTO, False, "url_not_fitting", "by their URLs only"),
        (JPEG, True, Send.BYTES, False, "bytes_not_taken", "--send auto"),
    ],
)
def test_what_cannot_be_sent_as_asked_is_dead_and_not_called(
    submit: Submit,
    published: Callable[[Bench, bytes], None],
    data: bytes,
    is_public: bool,
    send: Send,
    takes_bytes: bool,
    code: str,
    words: str,
) -> None:
    bench = submit(data, BatchOptions(send=send), takes_bytes=takes_bytes)
    if is_public:
        published(bench, data)
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("dead", code)
    assert words in bench.job()["message"]
    assert bench.sandbox.stats()["received"] == 0


@pytest.mark.parametrize(("send", "takes_bytes"), [(Send.URL, True), (Send.AUTO, False)])
@pytest.mark.parametrize("fault", ["701", "702"])
def test_a_url_that_must_be_one_stays_one(
    submit: Submit,
    published: Callable[[Bench, bytes], None],
    requests: list[RemovalRequest],
    send: Send,
    takes_bytes: bool,
    fault: str,
) -> None:
    bench = submit(JPEG, BatchOptions(send=send), takes_bytes=takes_bytes)
    published(bench, JPEG)
    bench.sandbox.configure(next=f"{fault},ok")
    assert [ending.state for ending in bench.run_out()] == ["pending", "succeeded"]
    assert [request.image_bytes for request in requests] == [None, None]


def test_a_provider_with_other_bounds_gets_its_own_fit(submit: Submit, requests: list[RemovalRequest]) -> None:
    webp = KINDS["webp"](300, 280)
    bench = submit(webp, bounds=Bounds(min_side=256, formats=("JPEG", "PNG", "BMP", "WEBP")))
    bench.run_due()
    assert requests[0].image_bytes == webp


def test_a_mask_is_sent_and_its_changes_are_told(submit: Submit, requests: list[RemovalRequest]) -> None:
    mask = mask_from_boxes([(80, 160, 240, 80)], 600, 560).to_rle()
    bench = submit(JPEG, mask=mask.replace(" ", "  "))
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert requests[0].mask == mask
    job = bench.job()
    assert job["changed_inside"] > 0.8
    assert job["changed_outside"] < 0.01


def test_a_mask_follows_its_photo_through_fitting(submit: Submit, requests: list[RemovalRequest]) -> None:
    # Stored 300 wide and 200 high, it is seen 200 wide and 300 high, and that is what its mask is for.
    source = KINDS["jpeg turned 6"](300, 200)
    assert flat(source).size == (200, 300)
    bench = submit(source, mask=mask_from_boxes([(20, 60, 100, 40)], 200, 300).to_rle())
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    [request] = requests
    assert request.mask is not None
    sent = read_mask(request.mask, 512, 512)
    assert sent.bounding_box == (156 + 20, 106 + 60, 100, 40)
    before, after = flat(source), flat(artifact(bench))
    inverted = tuple(255 - level for level in before.getpixel((70, 80)))  # type: ignore[union-attr]
    found = after.getpixel((70, 80))
    assert isinstance(found, tuple)
    assert all(abs(have - want) < 12 for have, want in zip(found, inverted, strict=True))
    assert psnr(after.crop((144, 0, 200, 300)), before.crop((144, 0, 200, 300))) > 45


def test_a_mask_of_a_turned_photo_is_turned_when_it_is_sent_as_stored(
    submit: Submit, requests: list[RemovalRequest]
) -> None:
    mask = mask_from_boxes([(0, 0, 100, 40)], 560, 600)
    bench = submit(TURNED, STRICT, mask=mask.to_rle())
    bench.run_out()
    # Turned by a quarter to the right when it is seen, so that what is at its upper left is stored at the lower left.
    assert requests[0].mask is not None
    assert read_mask(requests[0].mask, 600, 560).bounding_box == (0, 460, 40, 100)


@pytest.mark.parametrize(
    ("settings", "counted"), [({}, {}), ({"mask_order": "column", "mask_origin": 1}, {"order": "column", "origin": 1})]
)
def test_masks_are_counted_as_it_is_set(
    submit: Submit, requests: list[RemovalRequest], settings: dict[str, Any], counted: dict[str, Any]
) -> None:
    mask = mask_from_boxes([(80, 160, 240, 80)], 600, 560)
    bench = submit(JPEG, mask=mask.to_rle(**counted), **settings)
    bench.run_due()
    assert requests[0].mask == mask.to_rle(**counted)


@pytest.mark.parametrize(("mask", "words"), [("335990 20", "600×560"), ("10 0", "no length")])
def test_a_mask_that_does_not_fit_its_photo_is_dead(submit: Submit, mask: str, words: str) -> None:
    bench = submit(JPEG, mask=mask)
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("dead", "mask_unusable")
    assert words in bench.job()["message"]
    assert bench.sandbox.stats()["received"] == 0


@pytest.mark.parametrize("side", [8, 12, 20])
def test_a_small_mask_is_no_reason_to_hold(submit: Submit, side: int) -> None:
    bench = submit(saved(drawn(600, 560), "PNG"), mask=f"box 105,205,{side},{side}")
    bench.run_out()
    assert bench.job()["state"] == "succeeded"


def test_a_drawn_mask_of_another_size_is_dead(submit: Submit) -> None:
    drawn_mask = Image.new("L", (300, 280))
    drawn_mask.paste(255, (100, 100, 200, 200))
    bench = submit(JPEG, BatchOptions(mask=ask_for_drawn(saved(drawn_mask, "PNG"))))
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("dead", "mask_unusable")
    assert "300×280 pixels and the photo 600×560" in bench.job()["message"]
    assert bench.sandbox.stats()["received"] == 0


@pytest.mark.parametrize("kind", ["jpeg", "webp alpha"])
def test_an_unchanged_photo_is_held_with_its_output(submit: Submit, kind: str) -> None:
    source = KINDS[kind](600, 560)
    bench = submit(source)
    bench.sandbox.configure(next="unchanged")
    [ending] = bench.run_out()
    job = bench.job()
    assert (ending.state, job["state"], job["code"]) == ("held", "held", "unchanged")
    assert "accept it, or reject it" in job["message"]
    assert job["changed_ratio"] == 0
    assert artifact(bench) == source
    [attempt] = bench.attempts()
    assert attempt["spend"] == "paid"


def test_a_photo_that_is_all_changed_is_held(submit: Submit) -> None:
    bench = submit(saved(Image.new("RGB", (600, 560), "white")))
    bench.sandbox.configure(next="blank")
    bench.run_out()
    job = bench.job()
    assert (job["state"], job["code"]) == ("held", "changed_too_much")
    assert "100%" in job["message"]
    assert flat(artifact(bench)).getpixel((300, 280)) == (0, 0, 0)


def test_changes_all_over_outside_the_mask_are_held(submit: Submit) -> None:
    mask = mask_from_boxes([(80, 160, 240, 80)], 600, 560).to_rle()
    bench = submit(saved(Image.new("RGB", (600, 560), "white")), mask=mask)
    bench.sandbox.configure(next="blank")
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("held", "changed_outside")


def test_a_mask_over_all_of_the_photo_may_change_all_of_it(submit: Submit) -> None:
    mask = mask_from_boxes([(0, 0, 600, 560)], 600, 560).to_rle()
    bench = submit(saved(Image.new("RGB", (600, 560), "white")), mask=mask)
    bench.sandbox.configure(next="blank")
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]


def test_the_limits_of_doubt_can_be_switched_off(submit: Submit) -> None:
    bench = submit(JPEG, hold_unchanged_below=0, hold_changed_above=1)
    bench.sandbox.configure(next="unchanged")
    assert [ending.state for ending in bench.run_out()] == ["succeeded"]
    assert artifact(bench) == JPEG


def test_a_file_over_the_most_that_is_read(submit: Submit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "MAX_SOURCE_BYTES", len(JPEG) - 1)
    bench = submit(JPEG)
    bench.run_out()
    assert (bench.job()["state"], bench.job()["code"]) == ("dead", "too_many_bytes")
    assert "the most is taken" not in bench.job()["message"]
