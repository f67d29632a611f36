"""The step after an output is made: whether something is left over on it, or damaged."""

from importlib import import_module
from typing import Any

import structlog
from PIL import Image

from core import tracing
from core.errors import DatabaseDown, LeaseLost
from db.jobs import ClaimedJob
from photos.orientation import TURNS
from photos.pieces import largest_piece
from worker.call import NotCalled
from worker.lookers import GivenUp, Lookers
from worker.output import THEN, Doubt, Output
from worker.prepare import Prepared
from worker.screener import Screener

log = structlog.stdlib.get_logger(__name__)

DAMAGED_FROM = 0.0008
"""The share of a photo: 28×28 pixels of a million."""

BLIND_FROM = 0.1
"""Without findings, what is that large in one piece is no overlay."""


class NotProven(NotCalled):
    """The worker stops before a paid output is proven; its link stays with the job, and it is fetched again."""


class Prover:
    """Holds outputs against their sources.

    Args:
        screener: Knows what is on the sources.
        lookers: Whose threads it works on; None where the extra `look` is not installed.
        sure_from: Of what is less sure nothing is asked.
    """

    def __init__(self, screener: Screener, lookers: Lookers | None, *, sure_from: float) -> None:
        self._screener = screener
        self._lookers = lookers
        self._sure_from = sure_from

    def doubt(self, job: ClaimedJob, photo: Prepared, output: Output) -> Doubt | None:
        """Return why an output has to be seen by a person; None when nothing is wrong.

        What nobody can look at is only measured.

        Raises:
            NotProven: The worker stops.
            DatabaseDown: PostgreSQL does not answer.
        """
        if self._lookers is None:
            return self._doubt_blindly(photo, output)
        with tracing.span("prove"):
            try:
                return self._doubt(self._lookers, job, photo, output)
            except (DatabaseDown, LeaseLost):
                raise
            except GivenUp as error:
                raise NotProven(str(error)) from error
            except Exception as error:
                log.warning("an output could not be proven; it is only measured", error=str(error), exc_info=True)
        return self._doubt_blindly(photo, output)

    def _doubt(self, lookers: Lookers, job: ClaimedJob, photo: Prepared, output: Output) -> Doubt | None:
        found = [] if photo.mask is not None else self._screener.find(job, photo.source.data, photo.sha256)
        if found is None:
            return self._doubt_blindly(photo, output)
        # Loaded here, as it needs the extra.
        prove = import_module("photos.findings.proof").prove
        proof = lookers.run(
            lambda: prove(
                photo.source.data,
                output.data,
                found,
                elements=job.elements,
                subject_elements=job.subject_elements,
                sure_from=self._sure_from,
                damaged_from=DAMAGED_FROM,
                mask=_upright_mask(photo),
            ),
            job.lane,
        )
        places = {"left": _rounded(proof.left), "damaged": _rounded(proof.damaged)}
        if proof.damaged:
            return _damaged(proof.damaged_share, len(proof.damaged), places)
        if proof.left:
            many = len(proof.left)
            what = "One place still has" if many == 1 else f"{many} places still have"
            return Doubt("left_over", f"{what} what was to be removed. {THEN}", places)
        return None

    def _doubt_blindly(self, photo: Prepared, output: Output) -> Doubt | None:
        if photo.mask is not None or output.changed is None or output.changed_ratio < BLIND_FROM:
            return None
        share, (left, top, wide, tall) = largest_piece(output.changed)
        if share < BLIND_FROM:
            return None
        if photo.fitted.plan.is_unchanged and photo.fitted.photo.exif_orientation in TURNS:
            # Nobody looks at the place that a photo has which lies on its side.
            return _damaged(share, 1, {})
        width, height = output.changed.size
        box = (left / width, top / height, wide / width, tall / height)
        return _damaged(share, 1, {"left": [], "damaged": _rounded([box])})


def _damaged(share: float, many: int, places: dict[str, Any]) -> Doubt:
    where = "in one place" if many == 1 else f"in {many} places"
    return Doubt(
        "damaged",
        f"More is gone than what was to be removed, {where}: the largest is {share:.2%} of the photo. {THEN}",
        places,
    )


def _rounded(boxes: Any) -> list[list[float]]:
    return [[round(value, 4) for value in box] for box in boxes]


def _upright_mask(photo: Prepared) -> Image.Image | None:
    """Return the mask as it lies on the upright source."""
    if photo.mask is None:
        return None
    plan = photo.fitted.plan
    image = photo.mask.to_image()
    left, top, width, height = plan.photo_box
    image = image.crop((left, top, left + width, top + height))
    turn = TURNS.get(photo.fitted.photo.exif_orientation) if plan.is_unchanged else None
    return image if turn is None else image.transpose(turn)
