"""Whether an output looks right, or a person has to see it first."""

from dataclasses import dataclass

from worker.output import Output

HOLD_UNCHANGED_BELOW = 0.00001
"""A photo of 9 megapixels on which no 16×16 pixels changed is below; one with a single word taken off is above."""

HOLD_CHANGED_ABOVE = 0.9


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why an output has to be seen.

    Args:
        code: What to find it by: `unchanged`, `changed_too_much` or `changed_outside`.
        message: What happened, what was kept and what to do.
    """

    code: str
    message: str


def doubt_about(output: Output, *, unchanged_below: float, changed_above: float) -> Doubt | None:
    """Return why an output has to be seen by a person; None when it looks right.

    A job with a mask is judged by what changed outside it, as the mask itself may cover the whole photo.

    Args:
        output: The output, compared with what was sent.
        unchanged_below: Outputs with a smaller share changed are doubted; 0 doubts none.
        changed_above: Outputs with a larger share changed (with a mask: of what is outside it) are doubted; 1 doubts
            none.
    """
    then = "The output was kept: accept it, or reject it."
    if output.changed_ratio < unchanged_below:
        return Doubt("unchanged", f"The output shows what was sent: nothing visible was taken off. {then}")
    if output.changed_outside is not None:
        if output.changed_outside > changed_above:
            share = f"{output.changed_outside:.0%}"
            return Doubt("changed_outside", f"{share} of the photo outside its mask was changed. {then}")
        return None
    if output.changed_ratio > changed_above:
        return Doubt("changed_too_much", f"{output.changed_ratio:.0%} of the photo was changed. {then}")
    return None
