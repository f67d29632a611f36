"""Queries about clean photos that go back into a shop: where each goes, and how far it is.

A trigger notes what is clean.

    expected ──▶ clean ──▶ due ──▶ written ──▶ restoring ──▶ restored
                   a person's word, or at once (auto)

`due` and `restoring` end `skipped` when the shop has another photo there by now, and `failed` when it cannot be done.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import Connection

from db.connections import SHOP_COLUMNS, ShopConnection
from db.plans import by_key
from db.statements import text

LEASE_SECONDS = 180.0
"""How long a writer that fell silent keeps a shop from others."""
PATIENCE_SECONDS = 86_400.0
FIRST_DELAY_SECONDS = 5.0
LONGEST_DELAY_SECONDS = 7200.0


class Withdrawn(Exception):
    """What was to be sent is not to be sent any more."""


@dataclass(frozen=True, slots=True)
class Writeback:
    """A photo to put into a shop, or an original to put back.

    Args:
        id: Its number here.
        shop: Whose.
        product: The shop's own name for the product.
        media: The shop's own name for the photo in it; empty when nobody told.
        photo_url: Where it was when it was taken in.
        sku: The product's number, if told.
        is_restore: Whether the original is to be put back.
        tries: How often it was tried before.
        is_clean: Whether the photo is clean and not in doubt.
        source_sha256: What was cleaned.
        wanted_sha256: What is to stand in the shop.
        wanted_format: Its format, as Pillow names it.
        original_sha256: What stood there before anything was replaced, if that is kept.
        sent_at: When it was sent without being seen in the shop yet.
        sent_sha256: What was sent then.
        answered_at: When the shop said yes to that.
        artifact_sha256: What we put there last.
        written_key: Tells the photo that we put there last; see `place_key`.
    """

    id: int
    shop: ShopConnection
    product: str
    media: str
    photo_url: str
    sku: str | None
    is_restore: bool
    tries: int
    is_clean: bool
    source_sha256: str | None
    wanted_sha256: str | None
    wanted_format: str | None
    original_sha256: str | None
    sent_at: datetime | None
    sent_sha256: str | None
    answered_at: datetime | None
    artifact_sha256: str | None
    written_key: str | None


def place_key(url: str, version: str) -> str:
    """Return what tells a photo in a shop from what stands in its place later: its URL where that holds a version."""
    parts = urlsplit(url)
    number = parse_qs(parts.query).get("v")
    told = f"{parts.path}?v={number[0]}" if number else f"{url}\x00{version}"
    return hashlib.sha256(told.encode("utf-8", "replace")).hexdigest()


def take_due(connection: Connection, most: int) -> list[Writeback]:
    """Lease shops in which something is to be written, and return for each what comes first.

    A shop's API is asked by one at a time: WooCommerce takes a product's photos as one list, and a limit is kept best
    by one who knows how much of it is left.
    """
    by_key(connection)
    due = (
        "w.connection_id = c.id AND w.state IN ('due', 'restoring') AND w.available_at <= now() "
        # What was sent before it was turned off is still looked at.
        "AND (w.state = 'restoring' OR w.sent_at IS NOT NULL OR c.writeback <> 'off') AND NOT EXISTS "
        "(SELECT 1 FROM shop_products AS p WHERE p.connection_id = c.id AND p.product = w.product "
        "AND p.writeback_id <> w.id)"
    )
    columns = ", ".join(f"c.{name}" for name in SHOP_COLUMNS)
    statement = text(
        f"""
        WITH free AS MATERIALIZED (
            SELECT c.id FROM connections AS c WHERE c.closed_at IS NULL AND c.sealed_token IS NOT NULL
            AND c.writing_paused IS NULL AND c.api_after <= now() AND EXISTS (SELECT 1 FROM writebacks AS w WHERE {due})
            ORDER BY c.id LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
        ), leased AS (
            UPDATE connections AS c SET api_after = now() + make_interval(secs => :lease)
            WHERE c.id = ANY(ARRAY(SELECT id FROM free)) RETURNING c.*
        )
        SELECT w.id, w.product, w.media, w.photo_url, j.sku, w.state = 'restoring' AS is_restore, w.tries,
            j.state = 'succeeded' AS is_clean, j.source_sha256,
            CASE WHEN w.state = 'restoring' THEN w.original_sha256 ELSE j.artifact_sha256 END AS wanted_sha256,
            (SELECT f.format FROM artifacts AS f WHERE f.sha256 =
                CASE WHEN w.state = 'restoring' THEN w.original_sha256 ELSE j.artifact_sha256 END) AS wanted_format,
            w.original_sha256, w.sent_at, w.sent_sha256, w.answered_at, w.artifact_sha256, w.written_key, {columns}
        FROM leased AS c CROSS JOIN LATERAL (
            SELECT * FROM writebacks AS w WHERE {due} ORDER BY w.available_at, w.id LIMIT 1
        ) AS w CROSS JOIN LATERAL (SELECT * FROM jobs WHERE id = w.job_id OFFSET 0) AS j ORDER BY c.id
        """  # noqa: S608 - names of this module
    )
    rows = connection.execute(statement, {"most": most, "lease": LEASE_SECONDS})
    return [Writeback(row[0], ShopConnection(*row[17:]), *row[1:17]) for row in rows]


def leave_shop(connection: Connection, connection_id: int, *, wait_seconds: float, calls: int, points: int) -> None:
    """Let others ask a shop's API again, no earlier than its limits want it, and add up what was asked.

    Args:
        connection: An open transaction.
        connection_id: Which shop.
        wait_seconds: Until its API may be asked next.
        calls: Requests that were made.
        points: What they cost in the platform's own measure.
    """
    statement = text(
        "UPDATE connections SET api_after = now() + make_interval(secs => :wait), api_calls = api_calls + :calls, "
        "api_points = api_points + :points WHERE id = :id"
    )
    connection.execute(statement, {"id": connection_id, "wait": wait_seconds, "calls": calls, "points": points})


def keep_original(connection: Connection, writeback_id: int, sha256: str) -> None:
    """Note which bytes stood in the shop before anything was replaced; the first ones count."""
    statement = text("UPDATE writebacks SET original_sha256 = coalesce(original_sha256, :sha256) WHERE id = :id")
    connection.execute(statement, {"id": writeback_id, "sha256": sha256})


def note_sending(connection: Connection, writeback: Writeback) -> None:
    """Write down, before it is sent, that a photo is: what the shop tells of its product meanwhile is our own doing.

    To send again what the shop said yes to is a try.

    Raises:
        Withdrawn: Since the turn began write-back was turned off or paused, the photo was made again or is not clean
            any more, or somebody moved it on. The transaction has to be rolled back.
    """
    busy = text(
        "INSERT INTO shop_products (connection_id, product, writeback_id) VALUES (:shop, :product, :id) "
        "ON CONFLICT (connection_id, product) DO UPDATE SET writeback_id = :id"
    )
    values = {
        "id": writeback.id,
        "shop": writeback.shop.id,
        "product": writeback.product,
        "sha256": writeback.wanted_sha256,
        "is_restore": writeback.is_restore,
    }
    connection.execute(busy, values)
    clean = text(
        "SELECT (state = 'succeeded' AND artifact_sha256 = :sha256) OR :is_restore FROM jobs "
        "WHERE id = (SELECT job_id FROM writebacks WHERE id = :id) ORDER BY id FOR SHARE"
    )
    on = text(
        "SELECT (writeback <> 'off' OR :is_restore) AND closed_at IS NULL AND writing_paused IS NULL "
        "FROM connections WHERE id = :shop FOR SHARE"
    )
    sent = text(
        "UPDATE writebacks SET sent_at = now(), sent_sha256 = :sha256, answered_at = NULL, "
        "tries = tries + CASE WHEN answered_at IS NULL THEN 0 ELSE 1 END "
        "WHERE id = :id AND state = CASE WHEN :is_restore THEN 'restoring' ELSE 'due' END"
    )
    if not (
        connection.execute(clean, values).scalar_one_or_none()
        and connection.execute(on, values).scalar_one_or_none()
        and connection.execute(sent, values).rowcount
    ):
        raise Withdrawn


def withdraw(connection: Connection, writeback: Writeback) -> None:
    """Let what was sent before, and is not to be sent again, wait for a person's word, or to be clean."""
    free_product(connection, writeback)
    statement = text(
        "UPDATE writebacks AS w SET sent_at = NULL, answered_at = NULL, tries = 0, changed_at = now(), state = CASE "
        "WHEN (SELECT j.state FROM jobs AS j WHERE j.id = w.job_id) <> 'succeeded' THEN 'expected' "
        "WHEN (SELECT c.writeback FROM connections AS c WHERE c.id = w.connection_id) = 'auto' THEN 'due' "
        "ELSE 'clean' END WHERE id = :id AND sent_at IS NOT NULL AND state = 'due'"
    )
    connection.execute(statement, {"id": writeback.id})


def note_answered(connection: Connection, writeback: Writeback, media: str) -> None:
    """Write down that the shop said yes, and what it calls the photo now; it is looked at next.

    From its first yes on only what is sent again counts as a try.
    """
    statement = text(
        "UPDATE writebacks SET answered_at = now(), media = CASE WHEN :media = '' THEN media ELSE :media END, "
        "available_at = created_at, tries = CASE WHEN :is_again THEN tries ELSE 0 END WHERE id = :id"
    )
    values = {"id": writeback.id, "media": media, "is_again": writeback.answered_at is not None}
    connection.execute(statement, values)


def is_overdue(connection: Connection, writeback_id: int, seconds: float) -> bool:
    """Whether a shop said yes so long ago."""
    statement = text("SELECT answered_at < now() - make_interval(secs => :seconds) FROM writebacks WHERE id = :id")
    return bool(connection.execute(statement, {"id": writeback_id, "seconds": seconds}).scalar_one())


def count_heard(connection: Connection, writeback: Writeback) -> int:
    """Return how often a shop told of a product while it was being written."""
    statement = text("SELECT heard FROM shop_products WHERE connection_id = :shop AND product = :product FOR UPDATE")
    values = {"shop": writeback.shop.id, "product": writeback.product}
    return connection.execute(statement, values).scalar_one_or_none() or 0


def note_written(connection: Connection, writeback: Writeback, *, key: str) -> None:
    """Write down that a photo stands in the shop; one that was made again meanwhile goes there next.

    Args:
        connection: An open transaction.
        writeback: Which.
        key: `place_key` of what stands there now.
    """
    free_product(connection, writeback)
    statement = text(
        "UPDATE writebacks AS w SET sent_at = NULL, answered_at = NULL, written_key = :key, artifact_sha256 = :sha256, "
        "tries = 0, last_error = NULL, available_at = now(), changed_at = now(), state = CASE "
        "WHEN :is_restore THEN 'restored' WHEN (SELECT artifact_sha256 FROM jobs WHERE id = w.job_id) = :sha256 "
        "THEN 'written' WHEN (SELECT writeback FROM connections WHERE id = w.connection_id) = 'auto' THEN 'due' "
        "ELSE 'clean' END WHERE id = :id"
    )
    sha256 = writeback.sent_sha256 if writeback.sent_at else writeback.wanted_sha256
    values = {"id": writeback.id, "key": key, "sha256": sha256, "is_restore": writeback.is_restore}
    connection.execute(statement, values)


def free_product(connection: Connection, writeback: Writeback) -> None:
    """Take what a shop tells of a product for its own news again."""
    statement = text(
        "DELETE FROM shop_products WHERE connection_id = :shop AND product = :product AND writeback_id = :id"
    )
    values = {"shop": writeback.shop.id, "product": writeback.product, "id": writeback.id}
    connection.execute(statement, values)


def end(connection: Connection, writeback: Writeback, *, state: str, why: str) -> None:
    """End one without having written it.

    Args:
        connection: An open transaction.
        writeback: Which.
        state: `failed`, `skipped`, or `expected` when the photo is not clean any more.
        why: What happened, and what to do.
    """
    free_product(connection, writeback)
    statement = text(
        "UPDATE writebacks SET state = :state, last_error = :why, sent_at = NULL, answered_at = NULL, "
        "changed_at = now() WHERE id = :id"
    )
    connection.execute(statement, {"id": writeback.id, "state": state, "why": why[:500]})


def put_off(connection: Connection, writeback_id: int, seconds: float) -> None:
    """Look at one again later; that is no try."""
    statement = text("UPDATE writebacks SET available_at = now() + make_interval(secs => :seconds) WHERE id = :id")
    connection.execute(statement, {"id": writeback_id, "seconds": seconds})


def note_failed(connection: Connection, writeback: Writeback, why: str) -> bool:
    """Let one be tried again later, for a day; return whether it has failed for good."""
    statement = text(
        "UPDATE writebacks SET last_error = :why, tries = tries + 1, "
        "available_at = now() + make_interval(secs => :delay) WHERE id = :id "
        "RETURNING changed_at < now() - make_interval(secs => :patience)"
    )
    delay = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * float(3 ** min(writeback.tries, 20)))
    values = {"id": writeback.id, "why": why[:500], "delay": delay, "patience": PATIENCE_SECONDS}
    return bool(connection.execute(statement, values).scalar_one())
