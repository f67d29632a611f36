"""Signing batches off by a random sample."""

from sqlalchemy import Connection

from actions.confidence import CONFIDENCE, most_bad
from core.errors import NotFound, Refused, UsageError
from core.figures import count, counted, moment, percent
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
        raise UsageError(f"A sample has 1 to {count(MOST_DRAWN)} photos.")
    drawn = samples.draw(connection, batch_id, size, actor)
    if drawn is None:
        raise Refused(f"Batch {batch_id} has no clean photos to check.")
    detail = f"{count(len(drawn.job_ids))} of {counted(drawn.population, 'photo')}"
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
        raise UsageError(f"Not all of these photos are in sample {sample_id}.")
    bound = most_bad(len(found.job_ids), len(bad))
    is_signed = samples.sign(connection, sample_id, by=actor, bad_ids=bad, confidence=CONFIDENCE, most_bad=bound)
    signed = samples.find(connection, sample_id)
    if not is_signed or signed is None:
        raise Refused(f"Sample {sample_id} has already been signed off by {found.signed_by}.")
    audit.note(connection, actor, "sign off", f"batch {found.batch_id}", describe_bound(signed))
    return signed


def describe_draw(sample: PhotoSample) -> str:
    """Return what was drawn, and what it may come to, in words."""
    size = len(sample.job_ids)
    return (
        f"{count(size)} of {counted(sample.population, 'clean photo')}, drawn at random by {sample.drawn_by}. Tick the "
        f"bad ones, then sign the batch off. If none is bad, at most {percent(most_bad(size, 0))} of all are, with "
        f"{CONFIDENCE:.0%} confidence."
    )


def describe_bound(sample: PhotoSample) -> str:
    """Return what a sample shows, in words."""
    size, bad = len(sample.job_ids), len(sample.bad_ids or [])
    bound = sample.most_bad if sample.most_bad is not None else most_bad(size, bad)
    most = min(sample.population, max(int(bound * sample.population), bad))
    return (
        f"{count(size)} of {counted(sample.population, 'clean photo')} checked, {count(bad)} bad: with "
        f"{CONFIDENCE:.0%} confidence at most {percent(bound)} of all ({count(most)}) are bad"
    )


def describe_sign_off(sample: PhotoSample) -> str:
    """Return who signed a batch off, when, and by what, in words."""
    when = "" if sample.signed_at is None else f" on {moment(sample.signed_at)}"
    return f"Signed off by {sample.signed_by}{when}: {describe_bound(sample)}."
