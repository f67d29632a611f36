"""Queries about outputs: what is kept of them, and where their bytes are."""

import hashlib
import hmac
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from core.errors import CleanplateError
from core.settings import process_settings
from db.session import transact
from db.statements import text
from db.store import load
from db.sweeping import IN_DATABASE, Uploaded, hold_place, must_stand

SUFFIXES = {
    "JPEG": "jpg",
    "PNG": "png",
    "BMP": "bmp",
    "WEBP": "webp",
    "GIF": "gif",
    "TIFF": "tif",
    "AVIF": "avif",
}


def artifact_key(sha256: str, image_format: str) -> str:
    """Return an output's place below a store or a public URL: unguessable, and the same for the same bytes."""
    return f"{sha256[:2]}/{sha256}.{SUFFIXES.get(image_format, 'bin')}"


def uri_in_database(sha256: str) -> str:
    """Return where an output is whose bytes PostgreSQL keeps."""
    return f"postgres:{sha256}"


def signature(secret: str, key: str) -> str:
    """Return what shows that the URL of an output came from us."""
    return hmac.new(secret.encode(), key.encode(), hashlib.sha256).hexdigest()[:32]


def public_url(base: str, secret: str, sha256: str, image_format: str) -> str:
    """Return where an output can be fetched; signed when there is a secret for it.

    Args:
        base: Where outputs are, such as the web app's `/artifacts` or a bucket.
        secret: What URLs are signed with, or nothing.
        sha256: The output.
        image_format: Its format.
    """
    key = artifact_key(sha256, image_format)
    url = f"{base.rstrip('/')}/{key}"
    return f"{url}?sig={signature(secret, key)}" if secret else url


def keep(
    connection: Connection,
    data: bytes,
    *,
    image_format: str,
    width: int,
    height: int,
    uploaded: Uploaded = IN_DATABASE,
) -> str:
    """Write down output bytes, once per content, and return their SHA-256.

    Args:
        connection: The transaction that ends the job.
        data: The bytes.
        image_format: Pillow's name.
        width: Pixels.
        height: Pixels.
        uploaded: Where a store keeps them already; nowhere to keep them in this transaction.

    Raises:
        StoreUnavailable: They were swept meanwhile and have to be uploaded again.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    hold_place(connection, uploaded)
    added = connection.execute(
        text(
            "INSERT INTO artifacts (sha256, uri, size_bytes, format, width, height) "
            "VALUES (:sha256, :uri, :size_bytes, :format, :width, :height) ON CONFLICT (sha256) DO NOTHING"
        ),
        {
            "sha256": sha256,
            "uri": uploaded.uri or uri_in_database(sha256),
            "size_bytes": len(data),
            "format": image_format,
            "width": width,
            "height": height,
        },
    ).rowcount
    if added and uploaded.uri:
        must_stand(connection, uploaded)
    elif added:
        statement = text(
            "INSERT INTO artifact_bytes (sha256, data) VALUES (:sha256, :data) ON CONFLICT (sha256) DO NOTHING"
        )
        connection.execute(statement, {"sha256": sha256, "data": data})
    return sha256


def fetch(engine: Engine, sha256: str) -> bytes:
    """Return an artifact's bytes, whichever store they are in.

    Raises:
        CleanplateError: They are gone or not what was stored; the message names where they should be.
    """
    statement = text(
        "SELECT f.uri, b.data FROM artifacts AS f LEFT JOIN artifact_bytes AS b "
        "ON b.sha256 = f.sha256 AND f.uri LIKE 'postgres:%' WHERE f.sha256 = :sha256"
    )

    def look() -> tuple[str, bytes | None]:
        return transact(engine, lambda connection: tuple(connection.execute(statement, {"sha256": sha256}).one()))

    uri, data = look()
    if uri.startswith("postgres:"):
        if data is None:
            raise CleanplateError(f"the bytes of artifact {sha256[:12]} are not in the database")
        return bytes(data)
    try:
        found = load(uri, process_settings())
    except CleanplateError:
        if look()[0] == uri:
            raise
        # It was moved to another store in between.
        return fetch(engine, sha256)
    if hashlib.sha256(found).hexdigest() != sha256:
        raise CleanplateError(f"artifact {sha256[:12]} at {uri} was changed since it was stored")
    return found


def find_known(connection: Connection, sha256s: list[str]) -> set[str]:
    """Return which of these are outputs of ours."""
    statement = text("SELECT sha256 FROM artifacts WHERE sha256 = ANY(:sha256s)")
    return set(connection.execute(statement, {"sha256s": sha256s}).scalars())


@dataclass(frozen=True, slots=True)
class ArtifactRow:
    """What is known of an output's bytes."""

    sha256: str
    format: str
    size_bytes: int


def find(connection: Connection, sha256: str) -> ArtifactRow | None:
    """Return an output, or None."""
    statement = text("SELECT sha256, format, size_bytes FROM artifacts WHERE sha256 = :sha256")
    row = connection.execute(statement, {"sha256": sha256}).one_or_none()
    return ArtifactRow(*row) if row else None


@dataclass(frozen=True, slots=True)
class CleanPhoto:
    """A URL whose photo is clean, the output, and what the photo is called."""

    url: str
    sha256: str
    format: str
    name: str


def find_clean(connection: Connection, batch_id: int, urls: list[str]) -> list[CleanPhoto]:
    """Return the outputs of a batch's photos, by the URLs they were handed in with."""
    statement = text(
        "SELECT j.source_uri, f.sha256, f.format, coalesce(j.given_name, j.name) "
        "FROM jobs AS j JOIN artifacts AS f ON f.sha256 = j.artifact_sha256 "
        "WHERE j.source_uri = ANY(:urls) AND j.state = 'succeeded' AND j.batch_id = :id ORDER BY j.id DESC"
    )
    return [CleanPhoto(*row) for row in connection.execute(statement, {"id": batch_id, "urls": urls})]


def find_clean_items(connection: Connection, batch_id: int, keys: list[str]) -> dict[str, CleanPhoto]:
    """Return the outputs of a batch's photos, by what makes each the same item when it is handed in again."""
    statement = text(
        "SELECT j.item_key, j.source_uri, f.sha256, f.format, coalesce(j.given_name, j.name) FROM jobs AS j "
        "JOIN artifacts AS f ON f.sha256 = j.artifact_sha256 "
        "WHERE j.batch_id = :id AND j.item_key = ANY(:keys) AND j.state = 'succeeded'"
    )
    rows = connection.execute(statement, {"id": batch_id, "keys": keys})
    return {row.item_key: CleanPhoto(*row[1:]) for row in rows}
