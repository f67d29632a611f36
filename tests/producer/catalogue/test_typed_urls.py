"""URLs as people and programs write them."""

import pytest

from producer.catalogue.typed_url import find_urls, is_url, read_url

AS_MEANT = [
    ("https://shop.example/a.jpg", "https://shop.example/a.jpg"),
    ("  https://shop.example/a.jpg\t", "https://shop.example/a.jpg"),
    ('"https://shop.example/a.jpg"', "https://shop.example/a.jpg"),
    ('"https://shop.example/a.jpg",', "https://shop.example/a.jpg"),
    ("'https://shop.example/a.jpg';", "https://shop.example/a.jpg"),
    ("<https://shop.example/a.jpg>", "https://shop.example/a.jpg"),
    ("\u201chttps://shop.example/a.jpg\u201d", "https://shop.example/a.jpg"),
    ("https://shop.example/red shirt.jpg", "https://shop.example/red%20shirt.jpg"),
    ("https://shop.example/Grün/größe.jpg?q=ä", "https://shop.example/Gr%C3%BCn/gr%C3%B6%C3%9Fe.jpg?q=%C3%A4"),
    ("https://shop.example/100%/a%20b.jpg", "https://shop.example/100%/a%20b.jpg"),
    ('https://shop.example/a"b<c>.jpg', "https://shop.example/a%22b%3Cc%3E.jpg"),
    ("https://shop.example/w_300,h_200/a.jpg", "https://shop.example/w_300,h_200/a.jpg"),
    ("https://shop.example\\photos\\a.jpg", "https://shop.example/photos/a.jpg"),
    ("//cdn.example/a.jpg", "https://cdn.example/a.jpg"),
    ("www.shop.example/a.jpg", "https://www.shop.example/a.jpg"),
    ("HTTPS://shop.example/A.JPG", "HTTPS://shop.example/A.JPG"),
    ("https://grün.example/a.jpg", "https://grün.example/a.jpg"),
    ("https://shop.example/{size}|x^`.jpg", "https://shop.example/{size}|x^%60.jpg"),
]
NONE = [
    "",
    "hello",
    "a.jpg",
    "ftp://shop.example/a.jpg",
    "file:///etc/passwd",
    "https://",
    "https:///a.jpg",
    "https://[::1/a.jpg",
    "https://shop.example:99999/a.jpg",
    "https://two words.example/a.jpg",
    "javascript:alert(1)//https://x",
    "data:image/png;base64,AAAA",
]


@pytest.mark.parametrize(("written", "meant"), AS_MEANT)
def test_a_url_is_read_as_a_browser_reads_it(written: str, meant: str) -> None:
    assert read_url(written) == meant


@pytest.mark.parametrize("written", NONE)
def test_what_is_no_url_is_none(written: str) -> None:
    assert read_url(written) is None


def test_what_programs_send_is_taken_as_it_stands_or_not_at_all() -> None:
    assert is_url("https://shop.example/größe.jpg")
    assert not is_url("https://shop.example/red shirt.jpg")
    assert not is_url('"https://shop.example/a.jpg"')


@pytest.mark.parametrize(("written", "meant"), AS_MEANT)
def test_where_it_stands_is_known_without_its_quotes(written: str, meant: str) -> None:
    [place] = find_urls(written)
    assert place.url == meant
    assert written[place.start : place.end] == written.strip(" \t\"'<>\u201c\u201d,;")


def test_several_in_a_line() -> None:
    line = 'https://a.example/1.jpg, "https://a.example/2 b.jpg";https://a.example/3.jpg | https://a.example/4.jpg'
    assert [place.url for place in find_urls(line)] == [
        "https://a.example/1.jpg",
        "https://a.example/2%20b.jpg",
        "https://a.example/3.jpg",
        "https://a.example/4.jpg",
    ]


def test_an_address_within_an_address_is_no_second_one() -> None:
    for line in (
        "https://cdn.example/fetch/w_100|https://b.example/2.jpg",
        "https://cdn.example/?u=;https://b.example/2.jpg",
    ):
        assert [place.url for place in find_urls(line)] == [line]


def test_what_stands_before_several_is_told_of() -> None:
    found = [place.url for place in find_urls("both: https://a.example/1.jpg https://a.example/2.jpg")]
    assert found == [None, "https://a.example/1.jpg", "https://a.example/2.jpg"]


def test_a_megabyte_of_the_worst_is_read_at_once() -> None:
    for worst in (
        " " * 1_000_000 + "x",
        "https://" * 125_000,
        '"' * 1_000_000,
        "h" * 1_000_000,
        " https://a" * 100_000,
    ):
        assert find_urls(worst)
