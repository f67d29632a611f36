"""A quote says of each photo what a worker would find, though it looks at the header only."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from PIL import Image
from sqlalchemy import Engine, text

from cli.quoting.table import as_table
from core.content import content_key
from core.errors import SourceError
from core.settings import Settings
from core.states import Fit, Send
from db.jobs import ClaimedJob
from photos.source import Source
from producer.catalogue.folder import read_folder
from producer.catalogue.item import Item
from producer.intake import BatchOptions, submit
from quote import make_quote
from quote.inspection import Looker, PhotoWish
from removal.bounds import Bounds
from tests.db.rows import make_batch, put
from worker.prepare import Taking, prepare

SETTINGS = Settings(_env_file=None, removal_price="0.02")
OPTIONS = BatchOptions()
ORIENTATION = 0x0112


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def picture(mode: str = "RGB", size: tuple[int, int] = (640, 600)) -> Image.Image:
    return Image.radial_gradient("L").resize(size).convert(mode)


def turned() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return saved(picture(size=(700, 600)), "JPEG", exif=exif)


def animated() -> bytes:
    return saved(picture(), "PNG", save_all=True, append_images=[picture().rotate(90)])


WHOLE = saved(picture(), "JPEG")
PHOTOS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: WHOLE,
    "progressive": lambda: saved(picture(), "JPEG", progressive=True),
    "png": lambda: saved(picture(), "PNG"),
    "bmp": lambda: saved(picture(), "BMP"),
    "grey": lambda: saved(picture("L"), "JPEG"),
    "cmyk": lambda: saved(picture("CMYK"), "JPEG"),
    "palette": lambda: saved(picture().quantize(8), "PNG"),
    "alpha": lambda: saved(picture("RGBA"), "PNG"),
    "deep": lambda: saved(picture("I").convert("I;16"), "PNG"),
    "webp": lambda: saved(picture(), "WEBP"),
    "gif": lambda: saved(picture("P"), "GIF"),
    "tiff": lambda: saved(picture(), "TIFF"),
    "turned": turned,
    "animated": animated,
    "small": lambda: saved(picture(size=(300, 600)), "PNG"),
    "large": lambda: saved(picture(size=(3100, 600)), "JPEG"),
    "heavy": lambda: WHOLE + bytes(10_500_000),
    "cut": lambda: WHOLE[: len(WHOLE) * 2 // 3],
    "cut progressive": lambda: (data := saved(picture(), "JPEG", progressive=True))[: len(data) * 2 // 3],
    "without its end": lambda: WHOLE[:-2],
    "cut png": lambda: saved(picture(), "PNG")[:-14],
    "empty": lambda: b"",
    "text": lambda: b"this is no photo",
    "html": lambda: b"<!doctype html><p>not found",
    "huge": lambda: saved(Image.new("1", (20_000, 20_000)), "PNG"),
}


def as_a_worker(data: bytes, fit: Fit, mask: str | None) -> tuple[str, bool]:
    """Return the content key and whether the photo was fitted; or the code of its refusal."""
    bounds = Bounds()
    taking = Taking(SETTINGS.provider, bounds, takes_bytes=True, mask_order="row", mask_origin=0)
    job = ClaimedJob(
        id=1,
        batch_id=1,
        lane="bulk",
        lease_token=uuid4(),
        lease_seconds=30,
        source_uri="",
        name="",
        elements=OPTIONS.elements,
        subject_elements=OPTIONS.subject_elements,
        mask=mask,
        attempts=0,
        snoozes=0,
        requeues=0,
        send_bytes=False,
        output_url=None,
        source_sha256=None,
        content_key=None,
        fit=fit,
        send="auto",
        force=False,
        created_at=datetime.now(UTC),
    )
    try:
        prepared = prepare(job, Source(data, None), taking, is_plain=False)
    except SourceError as error:
        return error.code, False
    return prepared.content_key, not prepared.fitted.plan.is_unchanged


@pytest.mark.parametrize("mask", [None, "700 30 60 20, 65 20"], ids=["plain", "masked"])
@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("fit", list(Fit))
def test_a_look_finds_what_a_worker_finds(tmp_path: Path, name: str, fit: Fit, mask: str | None) -> None:
    data = PHOTOS[name]()
    path = tmp_path / "photo"
    path.write_bytes(data)
    wish = PhotoWish(path.as_uri(), name, OPTIONS.elements, OPTIONS.subject_elements, mask, "key")
    try:
        seen = Looker(SETTINGS, fit, Send.AUTO).look(wish)
        found = (seen.key, bool(seen.steps))
    except SourceError as error:
        found = (error.code, False)
    assert found == as_a_worker(data, fit, mask)


def make_folder(folder: Path, count: int) -> Path:
    for number in range(count):
        picture(size=(600 + number, 600)).save(folder / f"{number:03}.png")
    return folder


@pytest.mark.slow
def test_all_photos_are_in_one_count(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, 230)
    (folder / "again.png").write_bytes((folder / "007.png").read_bytes())
    (folder / "text.jpg").write_text("no photo")
    told: list[int] = []
    quote = make_quote(None, SETTINGS, read_folder(folder), source="s", options=OPTIONS, rate=5, tell=told.append)
    assert (quote.photos, quote.duplicates, quote.refused, quote.cleaned, quote.to_call) == (232, 1, 1, 0, 230)
    assert quote.photos == quote.unique + quote.duplicates + quote.refused
    assert told == [100, 200, 232]
    assert "free (would be 4.60 USD) (230 × 0.02 USD)" in as_table(quote, SETTINGS)
    assert "46 s" in as_table(quote, SETTINGS)


def test_the_limit_is_that_of_the_batch(tmp_path: Path) -> None:
    make_folder(tmp_path, 5)
    options = BatchOptions(limit=3)
    quote = make_quote(None, SETTINGS, read_folder(tmp_path), source="s", options=options, rate=5)
    assert (quote.photos, quote.to_call) == (3, 3)


def test_what_an_unfinished_batch_has_ended_is_not_called_again(engine: Engine) -> None:
    items = [Item(uri=f"https://shop.example/{number}.jpg", name=f"{number}.jpg") for number in range(6)]
    with engine.begin() as connection:
        submit(connection, items, name="t", source="list", options=OPTIONS)
        put(connection, "succeeded", "id <= 2")
        put(connection, "dead", "id = 3", code="http_404")
    quote = make_quote(engine, SETTINGS, items, source="list", options=OPTIONS, rate=5)
    assert (quote.cleaned, quote.to_call, quote.urls) == (2, 3, 3)
    assert {code: refusal.count for code, refusal in quote.refusals.items()} == {"http_404": 1}


def test_urls_that_were_cleaned_before_are_known_by_what_was_there(engine: Engine) -> None:
    items = [Item(uri=f"https://shop.example/{number}.jpg", name=f"{number}.jpg") for number in range(4)]
    with engine.begin() as connection:
        submit(connection, items[:3], name="t", source="list", options=OPTIONS)
        for number, provider in enumerate([SETTINGS.provider, SETTINGS.provider, "another"]):
            sha256 = f"{number:064}"
            key = content_key(provider, sha256, OPTIONS.elements, OPTIONS.subject_elements, None)
            put(connection, "succeeded", f"source_uri = '{items[number].uri}'", source_sha256=sha256, content_key=key)

    def count(options: BatchOptions) -> tuple[int, int, int]:
        quote = make_quote(engine, SETTINGS, items, source="other", options=options, rate=5)
        assert quote.cleaned == quote.cleaned_urls
        return quote.cleaned, quote.to_call, quote.urls

    assert count(OPTIONS) == (2, 2, 2)
    assert count(BatchOptions(force=True)) == (0, 4, 4)
    assert count(BatchOptions(elements=(1,))) == (0, 4, 4)
    assert count(BatchOptions(mask="1 2")) == (0, 4, 4)


@pytest.mark.parametrize(
    ("state", "code", "count"),
    [("succeeded", "200", "cleaned"), ("held", "unchanged", "refused"), ("dead", "703", "refused")],
)
def test_what_a_photo_came_to_before_decides(engine: Engine, tmp_path: Path, state: str, code: str, count: str) -> None:
    make_folder(tmp_path, 1)
    wish = PhotoWish((tmp_path / "000.png").as_uri(), "", OPTIONS.elements, OPTIONS.subject_elements, None, "")
    key = Looker(SETTINGS, Fit.FIT, Send.AUTO).look(wish).key
    make_batch(engine, 1)
    with engine.begin() as connection:
        put(connection, state, code=code, content_key=key)
        answered = text(
            "INSERT INTO attempts (job_id, batch_id, lease_token, worker, answered_at, code, answer_class) "
            "SELECT id, batch_id, gen_random_uuid(), 'w', now(), :code, 'permanent' FROM jobs"
        )
        connection.execute(answered, {"code": code})
    quote = make_quote(engine, SETTINGS, read_folder(tmp_path), source="s", options=OPTIONS, rate=5)
    assert (getattr(quote, count), quote.to_call) == (1, 0)
    forced = BatchOptions(force=True)
    assert make_quote(engine, SETTINGS, read_folder(tmp_path), source="s", options=forced, rate=5).to_call == 1


def test_an_attempt_that_merely_failed_decides_nothing(engine: Engine, tmp_path: Path) -> None:
    make_folder(tmp_path, 1)
    wish = PhotoWish((tmp_path / "000.png").as_uri(), "", OPTIONS.elements, OPTIONS.subject_elements, None, "")
    key = Looker(SETTINGS, Fit.FIT, Send.AUTO).look(wish).key
    make_batch(engine, 1)
    with engine.begin() as connection:
        put(connection, "dead", content_key=key)
    assert make_quote(engine, SETTINGS, read_folder(tmp_path), source="s", options=OPTIONS, rate=5).to_call == 1
