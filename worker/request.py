"""What is sent for a photo, and whether it goes to the API as its URL or as its bytes."""

from core.errors import SourceRefused
from core.states import Send
from db.jobs import ClaimedJob
from removal.contract import RemovalRequest
from worker.prepare import Prepared


def request_for(job: ClaimedJob, photo: Prepared, *, takes_bytes: bool) -> RemovalRequest:
    """Return what is sent for a photo.

    Args:
        job: What is to be taken off, and how it wants its photo sent.
        photo: As it may be sent.
        takes_bytes: Whether the provider takes bytes.

    Raises:
        SourceRefused: As `url_to_send` does.
    """
    url = url_to_send(job, photo, takes_bytes=takes_bytes)
    return RemovalRequest(
        image_url=url,
        image_bytes=None if url else photo.fitted.sent,
        subject_elements=job.subject_elements,
        elements=job.elements,
        mask=photo.mask_text,
    )


def url_to_send(job: ClaimedJob, photo: Prepared, *, takes_bytes: bool) -> str | None:
    """Return the URL to send for a photo; None when its bytes are sent.

    A URL can stand for a photo only when anybody can fetch it and it is acceptable as it is.

    Args:
        job: How it wants its photo sent (`auto`, `url`, `bytes`), and whether the API failed to fetch the URL before.
        photo: What would be sent.
        takes_bytes: Whether the provider takes bytes.

    Raises:
        SourceRefused: `url_not_public`, `url_not_fitting` or `bytes_not_taken`: it cannot be sent in the way asked for.
    """
    usable = photo.source.public_url if photo.fitted.plan.is_unchanged else None
    if job.send == Send.BYTES and not takes_bytes:
        raise SourceRefused(
            "bytes_not_taken", "This provider takes photos by their URLs only; submit with --send auto or url."
        )
    if job.send != Send.URL and takes_bytes:
        return None if job.send == Send.BYTES or job.send_bytes else usable
    if usable is not None:
        return usable
    why = "Only URLs are sent" if job.send == Send.URL else "This provider takes photos by their URLs only"
    else_send = ", or send its bytes" if takes_bytes else ""
    if photo.source.public_url is None:
        raise SourceRefused(
            "url_not_public", f"{why}, and this photo has none that anybody could fetch. Publish it{else_send}."
        )
    steps = ", ".join(photo.fitted.plan.steps)
    raise SourceRefused(
        "url_not_fitting",
        f"{why}, and the API does not take this photo as it is there: it has to be fitted first ({steps}). "
        f"Publish it fitted{else_send}.",
    )
