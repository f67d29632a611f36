"""URLs of outputs that end in the photo's own name: `/artifacts/<token>/red-shirt.jpg`.

The token alone decides who sees it: nobody guesses it, and with ARTIFACT_URL_SECRET it is signed. The name is for
people and search engines; any other serves as well. Where others than `cleanplate web` serve outputs, their URLs are
the store's own keys, which name the content.
"""

import hmac
import posixpath
import re
import unicodedata
from urllib.parse import quote

from core.settings import Settings
from db.artifacts import SUFFIXES, CleanPhoto, public_url, signature
from producer.catalogue.item import has_photo_suffix

LONGEST_SLUG = 80
"""Bytes of a name, without its suffix; percent-encoded it is three times as long at most."""

_TOKEN = re.compile(r"([0-9a-f]{64})(?:-([0-9a-f]{32}))?")
_APART = re.compile(r"[^\w-]+")


def clean_url(settings: Settings, photo: CleanPhoto) -> str:
    """Return where a clean photo can be fetched, for a catalogue.

    Args:
        settings: Where outputs are; `artifacts_url` must not be empty.
        photo: Which.
    """
    base, secret = settings.artifacts_url, settings.artifact_url_secret.get_secret_value()
    if not settings.serves_outputs:
        return public_url(base, secret, photo.sha256, photo.format)
    token = f"{photo.sha256}-{signature(secret, photo.sha256)}" if secret else photo.sha256
    return f"{base}/{token}/{quote(name_in_url(photo.name, photo.format))}"


def read_token(token: str, secret: str) -> str | None:
    """Return which output a token is for, its SHA-256; None when it is for none, or not signed as it must be."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    sha256, signed = found[1], found[2] or ""
    return sha256 if not secret or hmac.compare_digest(signature(secret, sha256), signed) else None


def name_in_url(name: str, image_format: str) -> str:
    """Return a name as it stands in a URL: words with dashes between, and the suffix of what is served.

    Latin letters lose their accents; other scripts stay what they are, to be percent-encoded.

    Args:
        name: The photo's, or whatever stands in a URL.
        image_format: Of the output.
    """
    last = re.split(r"[/\\]", name)[-1]
    stem = posixpath.splitext(last)[0] if has_photo_suffix(last) else last
    plain = "".join(map(_without_accent, unicodedata.normalize("NFKC", stem)))
    slug = _APART.sub("-", plain).strip("-").encode("utf-8", "replace")[:LONGEST_SLUG].decode(errors="ignore")
    return f"{slug.strip('-') or 'photo'}.{SUFFIXES.get(image_format, 'bin')}"


def _without_accent(letter: str) -> str:
    bare = unicodedata.normalize("NFD", letter)[0]
    return bare if bare.isascii() else letter
