"""Signing batches off by a random sample."""

from sqlalchemy import Connection

from actions.confidence import CONFIDENCE, most_bad
from core.errors import NotFound, Refused, UsageError
from db import audit, batches, samples
from db.samples import PhotoSample

MOST_DRAWN = 500
"""Photos of a sample, at most; nobody looks well at more."""


def draw(connection: Connection, actor: str, batch_id: int, size: int) -> PhotoSample:
    """Draw a random sample of a batch's clean photos.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        batch_id: Which batch.
        size: How many photos.

    Raises:
        NotFound: There is no such batch.
        Refused: None of its photos is clean.
        UsageError: Nobody looks at so many, or at none.
    """
    batches.require(connection, batch_id)
    if not 1 <= size <= MOST_DRAWN:
        raise UsageError(f"A sample has 1 to {MOST_DRAWN} photos.")
    drawn = samples.draw(connection, batch_id, size, actor)
    if drawn is None:
        raise Refused(f"Batch {batch_id} has no clean photo to look at.")
    detail = f"{len(drawn.job_ids)} of {drawn.population} photos"
    audit.note(connection, actor, "draw sample", f"batch {batch_id}", detail)
    return drawn


def sign_off(connection: Connection, actor: str, sample_id: int, bad_ids: list[int]) -> PhotoSample:
    """Sign a batch off by a sample that somebody has looked at; the bound follows from how many of it are bad.

    Args:
        connection: An open transaction.
        actor: Who acts, as the audit log names them.
        sample_id: Which sample.
        bad_ids: The photos of it that are bad.

    Raises:
        NotFound: There is no such sample.
        Refused: It was signed before.
        UsageError: A photo is not of the sample.
    """
    found = samples.find(connection, sample_id)
    if found is None:
        raise NotFound(f"There is no sample {sample_id}.")
    bad = sorted(set(bad_ids))
    if not set(bad) <= set(found.job_ids):
        raise UsageError(f"Not all of these photos are of sample {sample_id}.")
    bound = most_bad(len(found.job_ids), len(bad))
    is_signed = samples.sign(connection, sample_id, by=actor, bad_ids=bad, confidence=CONFIDENCE, most_bad=bound)
    signed = samples.find(connection, sample_id)
    if not is_signed or signed is None:
        raise Refused(f"PhotoSample {sample_id} was signed before, by {found.signed_by}.")
    audit.note(connection, actor, "sign off", f"batch {found.batch_id}", describe_bound(signed))
    return signed


def describe_draw(sample: PhotoSample) -> str:
    """Return what was drawn, and what it may come to, in words."""
    size = len(sample.job_ids)
    return (
        f"{size:,} of {sample.population:,} clean photos, drawn at random by {sample.drawn_by}. Tick those that are "
        f"bad, then sign the batch off. If none is, at most {most_bad(size, 0):.1%} of all are bad, with "
        f"{CONFIDENCE:.0%} confidence."
    )


def describe_bound(sample: PhotoSample) -> str:
    """Return what a sample shows, in words."""
    size, bad = len(sample.job_ids), len(sample.bad_ids or [])
    bound = sample.most_bad if sample.most_bad is not None else most_bad(size, bad)
    most = min(sample.population, max(int(bound * sample.population), bad))
    return (
        f"{size:,} of {sample.population:,} clean photos looked at, {bad:,} bad: with {CONFIDENCE:.0%} confidence at "
        f"most {bound:.1%} of them ({most:,}) are bad"
    )


def describe_sign_off(sample: PhotoSample) -> str:
    """Return who signed a batch off, when, and by what, in words."""
    when = "" if sample.signed_at is None else f" on {sample.signed_at:%Y-%m-%d %H:%M} UTC"
    return f"Signed off by {sample.signed_by}{when}: {describe_bound(sample)}."
