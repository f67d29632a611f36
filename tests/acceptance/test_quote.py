"""`--dry-run`: what a batch would come to, before anything is paid for."""

from pathlib import Path
from shutil import copy

import pytest
from PIL import Image

from sandbox.server import SandboxServer
from tests.acceptance.conftest import Cleanplate
from tests.chaos.fleet import make_photos


def test_a_quote_is_kept_by_the_run_that_follows(
    cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 6)
    copy(photos / "p0000.jpg", photos / "again.jpg")
    (photos / "text.jpg").write_text("this is no photo")
    Image.new("RGB", (4000, 3000), "teal").save(photos / "large.jpg")
    quote = cleanplate("run", photos, "--dry-run", "--json", REMOVAL_PRICE="0.02", REMOVAL_CURRENCY="EUR")
    assert quote.code == 0, quote.err
    told = quote.json
    assert (told["photos"], told["unique"], told["duplicates"], told["refused"]) == (9, 7, 1, 1)
    assert (told["to_call"], told["already_cleaned"], told["cost"], told["currency"]) == (7, 0, 0.14, "EUR")
    assert [(each["code"], each["count"], each["example"]) for each in told["refusals"]] == [
        ("not_an_image", 1, "text.jpg")
    ]
    assert (told["fitted"], told["fitting"]) == (1, {"scaled down": 1})
    assert told["seconds"] == 1

    done = cleanplate("run", photos, "--out", "clean", "--json", REMOVAL_PRICE="0.02", REMOVAL_CURRENCY="EUR")
    assert (done.json["calls"], done.json["paid"], done.json["cost"], done.json["currency"]) == (7, 7, 0.0, "EUR")
    assert done.json["reused"] == 1

    make_photos(photos, 8)
    later = cleanplate("submit", photos, "--dry-run", "--json").json
    assert (later["unique"], later["already_cleaned"], later["to_call"]) == (9, 7, 2)
    forced = cleanplate("run", photos, "--dry-run", "--json", "--force").json
    assert (forced["already_cleaned"], forced["to_call"]) == (0, 9)
    other = cleanplate("run", photos, "--dry-run", "--json", "--elements", "1").json
    assert (other["already_cleaned"], other["to_call"]) == (0, 9)
    assert sandbox.stats()["accepted"] == 7
    assert '"batch": 2' not in cleanplate("status", "--json").out


@pytest.mark.usefixtures("nothing_configured")
def test_a_quote_starts_no_database_where_none_is(cleanplate: Cleanplate, tmp_path: Path) -> None:
    quote = cleanplate("run", make_photos(tmp_path / "photos", 1), "--dry-run", "--json")
    assert (quote.code, quote.json["to_call"]) == (0, 1), quote.err
    assert not (tmp_path / "home").exists()


def test_urls_are_counted_and_not_fetched(cleanplate: Cleanplate, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("".join(f"http://192.0.2.1/{name}.jpg\n" for name in ("a", "b", "a")))
    quote = cleanplate("run", "urls.txt", "--dry-run")
    assert quote.code == 0
    assert "2 as URLs, not downloaded" in quote.out
    told = cleanplate("run", "urls.txt", "--dry-run", "--json").json
    assert (told["photos"], told["duplicates"], told["to_call"], told["urls"]) == (3, 1, 2, 2)


def test_a_strict_quote_says_what_would_be_refused(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 1)
    Image.new("RGB", (400, 600)).save(photos / "small.png")
    cut = (photos / "p0000.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(cut[: len(cut) // 2])
    quote = cleanplate("run", photos, "--dry-run", "--fit", "strict")
    assert "too_small" in quote.out
    told = cleanplate("run", photos, "--dry-run", "--json", "--fit", "strict").json
    assert {each["code"] for each in told["refusals"]} == {"too_small", "truncated"}
    assert (told["to_call"], told["fitted"]) == (1, 0)
    fitted = cleanplate("run", photos, "--dry-run", "--json").json
    assert ({each["code"] for each in fitted["refusals"]}, fitted["to_call"]) == ({"truncated"}, 2)


def test_a_budget_smaller_than_the_quote_is_said(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 5)
    told = cleanplate("run", photos, "--dry-run", "--json", "--max-cost", "0.07", REMOVAL_PRICE="0.02").json
    assert (told["to_call"], told["within_budget"]) == (5, 3)


def test_an_empty_source_has_no_quote(cleanplate: Cleanplate, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = cleanplate("run", "empty", "--dry-run")
    assert done.code == 2
    assert "No photo found" in done.err


def test_a_mask_for_the_whole_batch_has_to_fit_each_photo(
    cleanplate: Cleanplate, sandbox: SandboxServer, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "photos", 2)
    (tmp_path / "mask.txt").write_text("0, 512\n1024 300")
    (tmp_path / "large.txt").write_text("0 300000")
    run = ("run", photos, "--out", "clean", "--json", "--mask", "mask.txt")
    assert cleanplate(*run, "--dry-run").json["to_call"] == 2
    assert cleanplate(*run).code == 0
    again = cleanplate("run", photos, "--dry-run", "--json", "--mask", "mask.txt").json
    assert (again["already_cleaned"], again["to_call"]) == (2, 0)
    other = ("run", photos, "--out", "other", "--json", "--mask", "large.txt")
    quote = cleanplate(*other, "--dry-run").json
    assert [(each["code"], each["count"]) for each in quote["refusals"]] == [("mask_unusable", 2)]
    refused = cleanplate(*other)
    assert (refused.code, refused.json["dead"], refused.json["calls"]) == (1, 2, 0)
    assert sandbox.stats()["accepted"] == 2


def test_files_cannot_go_as_urls(cleanplate: Cleanplate, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", 1)
    quote = cleanplate("run", photos, "--dry-run", "--json", "--send", "url").json
    assert ([each["code"] for each in quote["refusals"]], quote["to_call"]) == (["url_not_public"], 0)
    done = cleanplate("run", photos, "--out", "clean", "--json", "--send", "url")
    assert (done.code, done.json["dead"], done.json["calls"]) == (1, 1, 0)
    assert "url_not_public" in done.err
