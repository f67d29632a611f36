"""Some of a source's photos are looked at for its quote."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from PIL import Image

from cli.quoting.table import as_json, as_table
from core.settings import Settings
from core.states import Screen
from photos.findings import can_look
from producer.catalogue.source import read_source
from producer.intake import BatchOptions
from quote import Quote, make_quote
from quote.inspection import PhotoWish
from quote.sample import MOST, QuoteSample

SETTINGS = Settings(_env_file=None, removal_price="0.02")


@pytest.mark.ocr
@pytest.mark.skipif(not can_look(), reason="needs the extra look")
def test_some_of_the_photos_are_looked_at_when_a_screen_is_asked_for(tmp_path: Path) -> None:
    from sandbox.catalogue import make_catalogue

    make_catalogue(tmp_path, count=4, bare_every=4)
    source = str(tmp_path / "photos")

    def quoted(options: BatchOptions) -> Quote:
        return make_quote(None, SETTINGS, read_source(source), source=source, options=options, rate=5.0)

    without, screened = quoted(BatchOptions()), quoted(BatchOptions(screen=Screen.REPORT))
    assert (without.looked, without.bare) == (0, 0)
    assert (screened.to_call, screened.looked, screened.bare) == (4, 4, 1)
    assert "of 4 checked; --screen skip would save about 1 call, 0.02 USD" in as_table(screened, SETTINGS)


def test_a_sample_is_as_large_as_it_may_be_and_leaves_masks_out() -> None:
    sample = QuoteSample()
    for number in range(1000):
        sample.offer(PhotoWish(f"file:///{number}", "", (1,), (1,), "box 1,1,5,5" if number % 2 else None, str(number)))
    assert len(sample._drawn) == MOST
    numbers = [int(wish.item_key) for wish in sample._drawn]
    assert max(numbers) > 500
    assert all(number % 2 == 0 for number in numbers)


@pytest.mark.parametrize(
    ("screen", "told"),
    [
        (Screen.REPORT, "of 4 checked; --screen skip would save about 2 calls, 0.04 USD"),
        (Screen.SKIP, "of 4 checked; skipping them saves about 2 calls, 0.04 USD"),
    ],
)
def test_what_skipping_saves_is_told_as_what_it_is(screen: Screen, told: str) -> None:
    quote = Quote(Decimal("0.02"), "USD", 5.0, to_call=8, looked=4, bare=1, screen=screen)
    assert told in as_table(quote, SETTINGS)


@pytest.mark.parametrize("screen", Screen)
def test_who_wants_a_screen_where_nobody_can_look_is_told(
    screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quote.estimate.can_look", lambda: False)
    monkeypatch.setattr("quote.sample.can_look", lambda: False)
    Image.new("RGB", (600, 520)).save(tmp_path / "a.png")
    source = str(tmp_path)
    quote = make_quote(
        None, SETTINGS, read_source(source), source=source, options=BatchOptions(screen=screen), rate=5.0
    )
    is_blind = screen is not Screen.OFF
    assert ("the extra `look` is not installed here" in as_table(quote, SETTINGS)) is is_blind
    assert json.loads(as_json(quote))["blind"] is is_blind
