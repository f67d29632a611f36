"""Finding photos and batches by what people have at hand: a product, a file's name, a URL, a number, a request's id.

What is typed is the beginning of what is looked for, upper or lower case, and nothing in it stands for anything else.
Each way has an index of its own. What is in Redis or running is in none of them, and no more than the window: so a
photo on its way writes into them twice, when it comes in and when it has ended.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from sqlalchemy import Connection, Row

from core.shown import HIDDEN, url_for_people
from db.live import RUNNING
from db.plans import by_key
from db.statements import text

MOST_FOUND = 1_000
"""Photos that one way finds, at most; who needs others says more of what is looked for."""
MOST_BATCHES = 50
MOST_NAMES = 2_000
"""The newest batches, whose names are looked at whole; of older ones, how they begin."""
LONGEST = 2_000
"""Characters of what is looked for; what comes after them is not read."""
LAST = "\U0010ffff"
"""Comes after whatever a name goes on with."""
LONGEST_KEY, LONGEST_URL = 200, 300
"""Characters of names, and of URLs, that are in an index."""

# That rows are never `queued` any more is no reason to make three large indexes anew.
NOT_LIVE = "state || '' NOT IN ('queued', 'running')"


class FoundBy(StrEnum):
    """What a photo was found by."""

    NUMBER = "number"
    REQUEST = "request"
    SKU = "sku"
    NAME = "name"
    URL = "url"


KEYS = {
    FoundBy.SKU: f"lower(left(sku, {LONGEST_KEY}))",
    FoundBy.NAME: f"lower(left(split_part(name, '/', -1), {LONGEST_KEY}))",
    FoundBy.URL: f"lower(left(source_uri, {LONGEST_URL}))",
}
"""What the indexes `ix_jobs_find_…` are made of, as SQL."""


@dataclass(frozen=True, slots=True)
class Matches:
    """Photos that were found in one way.

    Args:
        by: Which.
        ids: Each once, the closest first; a redo counts as its photo.
        exact: How many of them are called so in full.
        is_more: Whether there are more than are told.
    """

    by: FoundBy
    ids: list[int]
    exact: int
    is_more: bool


@dataclass(frozen=True, slots=True)
class SearchResult:
    """All that was found.

    Args:
        batch_ids: Batches, the newest first.
        exact_batches: How many of them have that number, or are called so in full.
        groups: Photos, by what they were found by; ways that found none are not there.
    """

    batch_ids: list[int]
    exact_batches: int
    groups: list[Matches]

    @property
    def single(self) -> tuple[str, int] | None:
        """The only thing that was found, if it is called so in full: `batch` or `job`, and its number."""
        jobs = {job_id for group in self.groups for job_id in group.ids}
        exact = self.exact_batches + sum(group.exact for group in self.groups)
        if not exact or len(self.batch_ids) + len(jobs) != 1:
            return None
        return ("batch", self.batch_ids[0]) if self.batch_ids else ("job", jobs.pop())


def find(connection: Connection, told: str) -> SearchResult:
    """Return the photos and batches that something stands for.

    Args:
        connection: An open transaction, in which nothing was asked before.
        told: What somebody typed or pasted.
    """
    told = told.replace("\0", "").strip()[:LONGEST]
    if not told:
        return SearchResult([], 0, [])
    kind, number = _number_in(told)
    # First, as it is found by an index of another kind than all others.
    groups = [_by_request(connection, told)]
    by_key(connection)
    batch_ids, exact_batches = _find_batches(connection, told, number if kind != "job" else None)
    if number is not None and kind != "batch":
        groups.append(_by_number(connection, number))
    if is_url(told):
        groups.append(_by_url(connection, told))
    else:
        groups += [_by_sku(connection, told), _by_name(connection, told)]
        if "." in told.partition("/")[0] and "/" in told:
            groups += [_by_url(connection, f"{scheme}://{told}") for scheme in ("https", "http")]
    return SearchResult(batch_ids, exact_batches, [group for group in groups if group.ids])


def is_url(told: str) -> bool:
    """Whether a URL, or a path from the root, was typed."""
    return "://" in told or told.startswith("/")


def _number_in(told: str) -> tuple[str, int | None]:
    kind, _, rest = told.lower().partition(" ")
    word = rest if kind in {"job", "batch"} else told
    digits = word.strip().removeprefix("#")
    is_number = digits.isascii() and digits.isdecimal() and len(digits) <= 18
    return (kind if kind in {"job", "batch"} else ""), int(digits) if is_number else None


def _by_number(connection: Connection, number: int) -> Matches:
    statement = text("SELECT coalesce(redo_of, id) FROM jobs WHERE id BETWEEN :id AND :id ORDER BY id LIMIT 1")
    ids = list(connection.execute(statement, {"id": number}).scalars())
    # A redo that is asked for by its own number is meant, and not its photo.
    return Matches(FoundBy.NUMBER, [number] if ids else [], len(ids), is_more=False)


def _by_request(connection: Connection, told: str) -> Matches:
    # Its index says in which pages it may be, and so can serve a bitmap alone.
    _use_bitmaps_only(connection, is_on=True)
    statement = text("SELECT job_id FROM attempts WHERE request_id = :told LIMIT :most")
    ids = sorted(set(connection.execute(statement, {"told": told, "most": MOST_BATCHES}).scalars()))
    _use_bitmaps_only(connection, is_on=False)
    return Matches(FoundBy.REQUEST, ids, len(ids), is_more=False)


def _use_bitmaps_only(connection: Connection, *, is_on: bool) -> None:
    statement = text(
        "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', :others, true), "
        "set_config('enable_indexonlyscan', :others, true), set_config('enable_bitmapscan', 'on', true)"
    )
    connection.execute(statement, {"others": "off" if is_on else "on"})


def _by_sku(connection: Connection, told: str) -> Matches:
    rows = _begin(connection, FoundBy.SKU, "sku", told)
    return _found(FoundBy.SKU, rows, lambda row: row.whole.lower() == told.lower())


def _by_name(connection: Connection, told: str) -> Matches:
    folder, _, name = told.rpartition("/")
    rows = _begin(connection, FoundBy.NAME, "name", name)
    if folder:
        rows = [row for row in rows if told.lower() in row.whole.lower()]
    wanted = {told.lower(), f"/{told.lower()}"}
    return _found(FoundBy.NAME, rows, lambda row: row.whole.lower().endswith(tuple(wanted)) and _is_whole(row, name))


def _is_whole(row: Row[tuple[int, int, str, str]], name: str) -> bool:
    return str(row.whole).rpartition("/")[2].lower() == name.lower()


def _by_url(connection: Connection, told: str) -> Matches:
    """Find URLs by what people may see of them: nobody learns a signature by trying how it begins."""
    if told.startswith("/"):
        told = f"file://{told}"
    start = url_for_people(told).partition(HIDDEN)[0]
    seen = start.lower()

    def is_meant(row: Row[tuple[int, int, str, str]]) -> bool:
        return row.whole == told or url_for_people(row.whole).lower().startswith(seen)

    rows = [row for row in _begin(connection, FoundBy.URL, "source_uri", start) if is_meant(row)]
    path = start.partition("?")[0]
    if not rows and path != start:
        # Signed anew since, or with its parameters in another order.
        rows = [row for row in _begin(connection, FoundBy.URL, "source_uri", path) if _path_of(row) == path.lower()]
    if not rows:
        # One with a user name and a password in it, which nobody types.
        named = _begin(connection, FoundBy.NAME, "source_uri", unquote(path.rpartition("/")[2]))
        rows = [row for row in named if _path_of(row) == path.lower()]
    return _found(FoundBy.URL, rows, lambda row: row.whole == told or url_for_people(row.whole).lower() == seen)


def _path_of(row: Row[tuple[int, int, str, str]]) -> str:
    return url_for_people(row.whole).partition("?")[0].lower()


def _begin(connection: Connection, by: FoundBy, whole: str, told: str) -> list[Row[tuple[int, int, str, str]]]:
    key = KEYS[by]
    longest = LONGEST_URL if by is FoundBy.URL else LONGEST_KEY
    lowest = "lower(CAST(:told AS text))"
    begins = f"{key} ~>=~ {lowest} AND {key} ~<~ ({lowest} || :last)"
    columns = f"id, coalesce(redo_of, id) AS photo, {whole} AS whole, {key} AS key"
    also = " AND sku IS NOT NULL" if by is FoundBy.SKU else ""
    statement = text(
        f"SELECT * FROM (SELECT {columns} FROM jobs WHERE {begins}{also} AND {NOT_LIVE} ORDER BY {key} USING ~<~, id "  # noqa: S608
        f"LIMIT :most) AS rest UNION ALL SELECT {columns} FROM {RUNNING} AS running WHERE {begins}{also}"
    )
    values = {"told": told[:longest], "last": LAST, "most": MOST_FOUND + 1}
    return sorted(connection.execute(statement, values), key=lambda row: (row.key, row.id))


def _found(
    by: FoundBy,
    rows: Iterable[Row[tuple[int, int, str, str]]],
    is_exact: Callable[[Row[tuple[int, int, str, str]]], bool],
) -> Matches:
    exact: dict[int, bool] = {}
    for row in rows:
        exact[row.photo] = exact.get(row.photo, False) or is_exact(row)
    ids = sorted(exact, key=lambda job_id: not exact[job_id])
    return Matches(by, ids[:MOST_FOUND], sum(exact.values()), len(ids) > MOST_FOUND)


def _find_batches(connection: Connection, told: str, number: int | None) -> tuple[list[int], int]:
    key = f"lower(left(name, {LONGEST_KEY}))"
    lowest = "lower(CAST(:told AS text))"
    statement = text(
        "SELECT id, name FROM (SELECT id, name FROM batches WHERE id BETWEEN :number AND :number ORDER BY id LIMIT 1) "  # noqa: S608
        f"AS numbered UNION SELECT id, name FROM (SELECT id, name FROM batches WHERE {key} ~>=~ {lowest} "
        f"AND {key} ~<~ ({lowest} || :last) ORDER BY {key} USING ~<~, id LIMIT :most) AS begun "
        "UNION SELECT id, name FROM (SELECT id, name FROM (SELECT id, name FROM batches ORDER BY id DESC LIMIT :look) "
        "AS newest WHERE strpos(lower(name), lower(CAST(:told AS text))) > 0 LIMIT :most) AS inside"
    )
    values = {"told": told[:LONGEST_KEY], "last": LAST, "number": number, "most": MOST_BATCHES, "look": MOST_NAMES}
    names = {row.id: row.name for row in connection.execute(statement, values)}
    exact = sum(batch_id == number or name.lower() == told.lower() for batch_id, name in names.items())
    return sorted(names, reverse=True)[:MOST_BATCHES], exact
