"""What sending photos round again would come to: how many go, and how many of those would be called for."""

from dataclasses import dataclass

from sqlalchemy import Connection

from core.states import NOTHING_TO_REMOVE, JobState
from db import requeues, uploads
from db.live import CONTENT_KEY, LINK
from db.plans import by_key
from db.requeues import Wanted
from db.statements import text

NEVER_CALLED = ("mask_unusable", "unreadable_row", "upload_missing", "url_invalid", "url_scheme")
"""Codes of photos that no call can be made for, whatever is there by then."""
REFUSED = (
    *NEVER_CALLED,
    "animated",
    "bomb",
    "bytes_not_taken",
    "corrupt",
    "empty_file",
    "format_unsupported",
    "mode_unsupported",
    "not_an_image",
    "too_large_sides",
    "too_many_bytes",
    "too_small",
    "truncated",
    "undecodable",
)
"""Codes of photos that are refused before a call, too: final for those that were uploaded. At a URL or in a folder
there may be another one by the time that it goes round again."""
MOST_LOOKED_AT = 10_000
"""Photos that are looked at one by one; of more, each is taken for a call."""

_IS_CALLED = (
    # What is paid for and was not fetched needs no call, nor does what was cleaned elsewhere since.
    "(j.code IS NULL OR j.code <> ALL(CASE WHEN starts_with(j.source_uri, :uploaded) THEN CAST(:refused AS text[]) "  # noqa: S608
    f"ELSE CAST(:never AS text[]) END)) AND {LINK} IS NULL AND (b.options ->> 'force' = 'true' "
    f"OR {CONTENT_KEY} IS NULL OR (SELECT t.id FROM jobs AS t WHERE t.content_key = {CONTENT_KEY} "
    # One that was skipped as it is has no output that another could take over.
    f"AND t.state = 'succeeded' AND t.code <> '{NOTHING_TO_REMOVE}' "
    "LIMIT 1) IS NULL)"
)
_LOOK = text(
    f"SELECT count(*), count(DISTINCT coalesce({CONTENT_KEY}, CAST(j.id AS text))) "  # noqa: S608 - constants of ours
    f"FILTER (WHERE {_IS_CALLED}) FROM jobs AS j JOIN batches AS b ON b.id = j.batch_id "
    "LEFT JOIN job_notes AS w ON w.job_id = j.id WHERE j.id = ANY(:ids)"
)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What goes round again.

    Args:
        photos: How many.
        calls: How many of them are called for, if each takes one call; the same photo twice is called for once.
    """

    photos: int
    calls: int

    @property
    def uncalled(self) -> int:
        """Those that cost nothing."""
        return self.photos - self.calls


def look_ahead(
    connection: Connection,
    batch_id: int,
    code: str | None = None,
    *,
    message: str | None = None,
    state: JobState = JobState.DEAD,
) -> Prospect:
    """Return what `requeues.requeue` would come to with the same arguments; nothing is changed."""
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    by_key(connection)
    found = requeues.find(connection, Wanted(batch_id, state.value, code, message), MOST_LOOKED_AT)
    seen = look_at(connection, found.ids)
    return Prospect(seen.photos + found.rest, seen.calls + found.rest)


def find_requeueable(connection: Connection, batch_id: int, job_ids: list[int]) -> list[int]:
    """Return which of these jobs of a batch are dead, held, cancelled or were skipped."""
    statement = text(
        "SELECT id FROM jobs WHERE id = ANY(:ids) AND batch_id = :batch "
        "AND (state IN ('dead', 'held', 'cancelled') OR (state = 'succeeded' AND code = :skipped))"
    )
    values = {"ids": job_ids, "batch": batch_id, "skipped": NOTHING_TO_REMOVE}
    return list(connection.execute(statement, values).scalars())


def look_at(connection: Connection, job_ids: list[int]) -> Prospect:
    """Return what sending these jobs round again would come to; those that cannot go are not for this function."""
    values = {
        "ids": job_ids,
        "never": list(NEVER_CALLED),
        "refused": list(REFUSED),
        "uploaded": uploads.SCHEME,
    }
    return Prospect(*connection.execute(_LOOK, values).one())
