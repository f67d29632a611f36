"""Some of a source's photos are looked at for its quote."""

from pathlib import Path

import pytest

from cli.quoting.table import as_table
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
    assert "of 4 looked at; --screen skip saves about 1 calls, 0.02 USD" in as_table(screened, SETTINGS)


def test_a_sample_is_as_large_as_it_may_be_and_leaves_masks_out() -> None:
    sample = QuoteSample()
    for number in range(1000):
        sample.offer(PhotoWish(f"file:///{number}", "", (1,), (1,), "box 1,1,5,5" if number % 2 else None, str(number)))
    assert len(sample._drawn) == MOST
    numbers = [int(wish.item_key) for wish in sample._drawn]
    assert max(numbers) > 500
    assert all(number % 2 == 0 for number in numbers)
