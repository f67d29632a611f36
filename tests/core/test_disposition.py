"""The names that servers give to files, as they send them, and those that we give."""

import pytest

from core.disposition import disposition, name_told


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, ""),
        ("attachment", ""),
        ('inline; filename=""', ""),
        ('attachment; filename="red shirt.jpg"', "red shirt.jpg"),
        ("attachment; filename=red.jpg", "red.jpg"),
        ("attachment; filename=a b c.jpg", "a b c.jpg"),
        ('attachment; FILENAME="A.JPG"', "A.JPG"),
        ("filename=x.jpg", "x.jpg"),
        ('attachment; filename="a;b.jpg"', "a;b.jpg"),
        ('attachment; filename="a\\"b.jpg"', 'a"b.jpg'),
        ('attachment; filename="a%20b.jpg"', "a b.jpg"),
        ("attachment; filename=plain.jpg; filename*=UTF-8''%e2%82%ac%20rates.jpg", "\u20ac rates.jpg"),
        ("attachment; filename*=UTF-8''%e2%82%ac%20rates.jpg; filename=plain.jpg", "\u20ac rates.jpg"),
        ("attachment; filename*=iso-8859-1'en'%A3%20rates.jpg", "\u00a3 rates.jpg"),
        ("attachment; filename*=bogus''x.jpg; filename=plain.jpg", "plain.jpg"),
        ("attachment; filename*=\"UTF-8''quoted.jpg\"", "quoted.jpg"),
        ("attachment; filename*0*=UTF-8''%e2%82; filename*1*=%ac.jpg", "\u20ac.jpg"),
        ('inline; filename="gr\u00f6\u00dfe.jpg"', "gr\u00f6\u00dfe.jpg"),
        ('attachment; filename="=?UTF-8?B?Z3LDtsOfZS5qcGc=?="', "gr\u00f6\u00dfe.jpg"),
        ('attachment; filename="=?bogus?B?Z3LDtsOfZS5qcGc=?="', ""),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="C:\\\\photos\\\\evil.jpg"', "evil.jpg"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx.jpg", "x.jpg"),
        (f'attachment; filename="{"a" * 3000}.jpg"', ""),
    ],
)
def test_a_name_is_read_as_browsers_read_it(header: str | None, name: str) -> None:
    assert name_told(header) == name


@pytest.mark.parametrize(
    "name", ["red.jpg", "red shirt.jpg", "gr\u00f6\u00dfe.jpg", 'a"b\\c;d.jpg', "a\r\nX: y.jpg", "%41.jpg"]
)
def test_a_name_that_is_told_is_read_again(name: str) -> None:
    told = disposition("inline", name)
    assert told.isascii()
    assert told.isprintable()
    assert name_told(told) == name.rpartition("\\")[2]


@pytest.mark.parametrize("told", ["=?utf-8?B?a?=", "=?utf-8?B?a===?= x.jpg", "=?\u00b2?Q?x?="])
def test_an_encoded_word_that_cannot_be_read_is_no_name(told: str) -> None:
    assert name_told(f'attachment; filename="{told}"') == ""


def test_a_plain_name_is_told_once() -> None:
    assert disposition("attachment", "photos.zip") == 'attachment; filename="photos.zip"'
