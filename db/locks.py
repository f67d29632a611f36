"""Every advisory lock there is, each kind in a space of its own: who holds one keeps nobody from another kind.

PostgreSQL knows such a lock by a number. What there are many of is locked by name, and its number is the name's hash,
seeded with the space's; what there is only one of has its number here.

During an upgrade processes of two versions exclude each other by these numbers, so none of them changes, and one that
is no longer used is not given to anything else.
"""

from enum import IntEnum, unique

from sqlalchemy import Connection

from db.statements import text


@unique
class Space(IntEnum):
    """What there are many of.

    `LIMITS` and `REQUEST` were 12 and the token's id before they had numbers of their own. While a process from then
    runs beside newer ones, a batch's first limit may miss a call that one of the other kind opens in that very moment,
    and a request that reaches both kinds at once is done by both; `SOURCE` still makes one batch of it.
    """

    SOURCE = 7
    """A batch's source with its options, or with its day: one intake finds or makes the batch."""
    CONTENT = 11
    """A photo's content key: of identical photos one calls."""
    PLACE = 12
    """An output's URI in a store: it is swept, or a job ends with it."""
    ACCOUNT = 13
    """An API account: one fault at a time says whether there is an outage."""
    LIMITS = 14
    """A batch's id: it gets its first limit, or (shared) its calls are written down."""
    REQUEST = 15
    """A token's id and its `Idempotency-Key`: one request at a time."""
    RESTORED = 16
    """That the database went back to a backup: one process at a time holds it against what Redis remembers."""


ORDER: tuple[Space | str, ...] = (
    Space.RESTORED,
    Space.REQUEST,
    "drafts",
    "shop_products",
    "deliveries",
    "lookups",
    "seen_photos",
    "uploads",
    Space.SOURCE,
    Space.CONTENT,
    Space.PLACE,
    "artifacts",
    "artifact_bytes",
    "swept_objects",
    Space.ACCOUNT,
    Space.LIMITS,
    "batches",
    "requeues",
    "daily_calls",
    "samples",
    "decisions",
    "jobs",
    "flags",
    "rejected_outputs",
    "catalogues",
    "queued_jobs",
    "job_notes",
    "attempts",
    "restores",
    "circuits",
    "acknowledgements",
    "idempotency_keys",
    "users",
    "user_sessions",
    "sign_in_links",
    "tokens",
    "connections",
    "processes",
    "writebacks",
    "callbacks",
    "call_rates",
    "previews",
    "findings",
    "batch_count_changes",
    "batch_counts",
    "ledger_changes",
    "ledger_days",
)
"""In which every transaction locks what it locks of these, rows of a table by its name: so no two wait for each other.

Several rows of one table are locked by id (see `IN_ORDER_OF_ID`), or passed over when others hold them. A row that is
locked for its neighbours' sake, such as a job before its attempt, is so before anything of the transaction is written.
"""

IN_ORDER_OF_ID = frozenset({"batches", "jobs"})
"""Of which a transaction may lock several."""


@unique
class Duty(IntEnum):
    """What there is only one of, held for as long as a session lives."""

    MIGRATE = 7_204_301
    LEAD = 7_204_302


def hold(connection: Connection, space: Space, name: str) -> None:
    """Wait until nobody else has this lock, and keep it until the transaction ends."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock({_NUMBER})"), {"name": name, "space": space.value})


def share(connection: Connection, space: Space, name: str) -> None:
    """Keep others from holding this lock until the transaction ends; any number may share it."""
    connection.execute(text(f"SELECT pg_advisory_xact_lock_shared({_NUMBER})"), {"name": name, "space": space.value})


def try_duty(connection: Connection, duty: Duty) -> bool:
    """Take a duty until this connection's session ends or gives it up; False when another session has it."""
    return bool(connection.execute(text("SELECT pg_try_advisory_lock(:number)"), {"number": duty.value}).scalar_one())


_NUMBER = "hashtextextended(CAST(:name AS text), :space)"
