"""What is typed becomes a batch's options, or a message that names the option."""

from decimal import Decimal
from pathlib import Path

import pytest
from click import ClickException
from click.testing import CliRunner
from PIL import Image

from cli.amount import Amount
from cli.group import cleanplate
from cli.options import read_batch_options
from core.errors import UsageError
from core.money import money
from core.settings import Settings, load_settings
from core.states import Fit, Screen, Send
from removal.mask import mask_from_boxes

TYPED = {
    "elements": "1,2",
    "subject_elements": None,
    "mask": None,
    "boxes": (),
    "fit": "fit",
    "send": "auto",
    "force": False,
    "screen": None,
    "limit": None,
    "max_calls": None,
    "file_format": None,
    "image_col": (),
    "base_url": "",
    "max_cost": None,
    "canary": None,
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of nobody's, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return load_settings(removal_price="0.02", removal_mask_order="row")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "s", "--out", "o", "--fit", "maybe"], "--fit"),
        (["run", "s", "--out", "o", "--send", "post"], "--send"),
        (["run", "s", "--out", "o", "--max-calls", "-1"], "--max-calls"),
        (["run", "s", "--out", "o", "--max-calls", "1.5"], "--max-calls"),
        (["run", "s", "--out", "o", "--max-cost", "5"], "REMOVAL_PRICE"),
        (["run", "s", "--out", "o", "--max-cost", "-5"], "0 or more"),
        (["run", "s", "--out", "o", "--max-cost", "much"], "not an amount"),
        (["run", "s", "--out", "o", "--max-cost", "NaN"], "0 or more"),
        (["run", "s", "--out", "o", "--max-cost", "inf"], "0 or more"),
        (["run", "s", "--out", "o", "--max-cost", "0.1234567"], "places"),
        (["run", "s", "--out", "o", "--canary", "0"], "--canary"),
        (["run", "s", "--out", "o", "--confirm-over", "-1"], "--confirm-over"),
        (["run", "s", "--out", "o", "--mask", "nothing.txt"], "cannot read nothing.txt"),
        (["run", "s"], "--out"),
        (["run", "nowhere", "--dry-run"], "There is no 'nowhere'"),
        (["submit", "s", "--max-calls", "-1"], "--max-calls"),
        (["submit", "s", "--max-cost", "5"], "REMOVAL_PRICE"),
        (["submit", "s", "--fit", "loose"], "--fit"),
        (["submit", "nowhere", "--dry-run"], "There is no 'nowhere'"),
        (["budget"], "BATCH"),
        (["budget", "1", "--max-calls", "-3"], "--max-calls"),
        (["budget", "1", "--max-cost", "3"], "REMOVAL_PRICE"),
        (["costs", "0"], "BATCH"),
        (["costs", "--days", "0"], "--days"),
        (["accept"], "JOB"),
        (["accept", "first"], "first"),
        (["reject", "0"], "JOB"),
        (["reject", "99999999999999999999"], "JOB"),
    ],
)
@pytest.mark.usefixtures("settings")
def test_wrong_words_are_named(words: list[str], message: str) -> None:
    done = CliRunner().invoke(cleanplate, words, standalone_mode=False)
    assert isinstance(done.exception, UsageError | ClickException), done.exception
    assert done.exception.exit_code == 2
    told = done.exception.format_message() if isinstance(done.exception, ClickException) else str(done.exception)
    assert message in told


def test_everything_typed_arrives(settings: Settings) -> None:
    typed = TYPED | {
        "fit": "strict",
        "send": "bytes",
        "force": True,
        "screen": "skip",
        "strip_metadata": True,
        "limit": 7,
        "max_calls": 0,
        "max_cost": Decimal("1.5"),
        "canary": 3,
    }
    options = read_batch_options(settings, **typed)  # type: ignore[arg-type]
    assert (options.elements, options.subject_elements) == ((1, 2), (1, 2))
    assert (options.fit, options.send, options.force) == (Fit.STRICT, Send.BYTES, True)
    assert options.screen is Screen.SKIP
    assert options.strip_metadata
    assert options.as_dict()["strip_metadata"] is True
    assert (options.limit, options.max_calls, options.max_cost, options.canary) == (7, 0, Decimal("1.5"), 3)


def read_mask_of(settings: Settings, path: Path, **more: object) -> str | None:
    return read_batch_options(settings, **(TYPED | {"mask": path} | more)).mask  # type: ignore[arg-type]


def test_a_mask_comes_as_text_or_drawn(settings: Settings, tmp_path: Path) -> None:
    text, drawn = tmp_path / "mask.txt", tmp_path / "mask.png"
    text.write_text("\ufeff12, 3\n22 3\n")
    mask_from_boxes([(2, 1, 3, 2)], 10, 6).to_image().save(drawn)
    assert read_mask_of(settings, text) == "12 3 22 3"
    assert read_mask_of(settings, drawn) == "10x6: 12 3 22 3"


def test_boxes_are_for_photos_of_any_size(settings: Settings, tmp_path: Path) -> None:
    typed = TYPED | {"boxes": ("10,20,300,80", " 0,0,5,5"), "elements": ""}
    assert read_batch_options(settings, **typed).mask == "box 10,20,300,80 0,0,5,5"  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="is no box"):
        read_batch_options(settings, **(TYPED | {"boxes": ("10,20",)}))  # type: ignore[arg-type]
    (tmp_path / "mask.txt").write_text("0 5")
    with pytest.raises(UsageError, match="give one of them"):
        read_mask_of(settings, tmp_path / "mask.txt", boxes=("1,1,1,1",))


def test_a_mask_alone_is_enough_to_take_off(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "mask.txt").write_text("0 5")
    assert read_mask_of(settings, tmp_path / "mask.txt", elements="", subject_elements="") == "0 5"
    with pytest.raises(ClickException, match="nothing to remove"):
        read_batch_options(settings, **(TYPED | {"elements": ""}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"  \n", "is empty"),
        (b"1 2 3", "no run lengths"),
        (b"1 -2", "no run lengths"),
        (b"hello there", "no run lengths"),
        (b"100,200,300,80", "look like a box"),
        (b"\xff\xfe\x00", "neither text"),
        (b"\x89PNG\r\n\x1a\n broken", "cannot be read as a PNG"),
    ],
)
def test_a_mask_that_is_none_is_refused(settings: Settings, tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "mask").write_bytes(data)
    with pytest.raises(UsageError, match=message):
        read_mask_of(settings, tmp_path / "mask")


def test_a_black_png_erases_nothing(settings: Settings, tmp_path: Path) -> None:
    Image.new("L", (20, 20)).save(tmp_path / "black.png")
    with pytest.raises(UsageError, match="is empty"):
        read_mask_of(settings, tmp_path / "black.png")


@pytest.mark.parametrize(
    ("amount", "told"),
    [("0", "0.00 EUR"), ("1234.5", "1,234.50 EUR"), ("0.001250", "0.00125 EUR"), ("1E+3", "1,000.00 EUR")],
)
def test_money_as_people_read_it(amount: str, told: str) -> None:
    assert money(Decimal(amount), "EUR") == told


def test_an_amount_keeps_every_place() -> None:
    assert Amount().convert("0.000001", None, None) == Decimal("0.000001")
