"""URLs that end in the photo's own name, and whose token alone decides."""

from urllib.parse import unquote, urlsplit

import pytest

from core.settings import Settings
from db.artifacts import CleanPhoto
from exporting.named_urls import LONGEST_SLUG, clean_url, name_in_url, read_token

SHA256 = "ab" * 32
PHOTO = CleanPhoto("https://x.example/", SHA256, "JPEG", "Red Shirt.PNG")


def settings(**told: str) -> Settings:
    return Settings(_env_file=None, web_public_url="https://clean.example", **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Red Shirt.JPG", "Red-Shirt.jpg"),
        ("sub/IMG_0001.png", "IMG_0001.jpg"),
        ("image.php", "image-php.jpg"),
        ("v1.2 shirt.jpeg", "v1-2-shirt.jpg"),
        ("\u7ea2\u886c\u886b.jpg", "\u7ea2\u886c\u886b.jpg"),
        ("Gr\u00f6\u00dfe \u00e9.webp", "Gro\u00dfe-e.jpg"),
        ("..", "photo.jpg"),
        ("../../etc/passwd", "passwd.jpg"),
        ("..\\..\\x.jpg", "x.jpg"),
        ("%2e%2e%2Fb.jpg", "2e-2e-2Fb.jpg"),
        ("a\r\nSet-Cookie: b.jpg", "a-Set-Cookie-b.jpg"),
        ('a",;|b.jpg', "a-b.jpg"),
        ("\ud800.jpg", "photo.jpg"),
        (" .jpg", "photo.jpg"),
        ("", "photo.jpg"),
    ],
)
def test_a_name_is_kept_as_far_as_it_is_safe(name: str, kept: str) -> None:
    assert name_in_url(name, "JPEG") == kept
    assert name_in_url(kept, "JPEG") == kept


@pytest.mark.parametrize("letter", ["x", "\u7ea2", "\u0627", "-x"])
def test_a_name_is_bounded(letter: str) -> None:
    assert len(name_in_url(letter * 1000 + ".jpg", "JPEG").encode()) <= LONGEST_SLUG + len(".jpg")


def test_a_url_is_ascii_and_has_the_suffix_of_what_is_served() -> None:
    url = clean_url(settings(), CleanPhoto("", SHA256, "WEBP", "\u7ea2 shirt.jpg"))
    assert url == f"https://clean.example/artifacts/{SHA256}/%E7%BA%A2-shirt.webp"
    assert unquote(urlsplit(url).path).endswith("/\u7ea2-shirt.webp")


def test_a_token_is_signed_where_there_is_a_secret() -> None:
    token = clean_url(settings(artifact_url_secret="s"), PHOTO).split("/")[-2]
    assert read_token(token, "s") == SHA256
    for other in (SHA256, f"{token[:-1]}{'0' if token[-1] != '0' else '1'}", f"{'cd' * 32}{token[64:]}", f"{token}0"):
        assert read_token(other, "s") is None
    assert read_token(token, "t") is None
    assert read_token(token, "") == SHA256, "who takes the secret away lets all in"


@pytest.mark.parametrize(
    ("store", "public", "url"),
    [
        ("postgres", "", f"https://clean.example/artifacts/{SHA256}/Red-Shirt.jpg"),
        ("postgres", "https://cdn.example/", f"https://cdn.example/{SHA256}/Red-Shirt.jpg"),
        ("s3://bucket", "", f"https://clean.example/artifacts/{SHA256}/Red-Shirt.jpg"),
        ("s3://bucket", "https://cdn.example", f"https://cdn.example/ab/{SHA256}.jpg"),
    ],
)
def test_a_bucket_that_others_serve_knows_its_own_keys_only(store: str, public: str, url: str) -> None:
    assert clean_url(settings(artifact_store=store, artifact_public_url=public), PHOTO) == url
