"""Everything Cleanplate raises on purpose.

CleanplateError
├── UsageError            what was typed or configured cannot be used     (exit 2)
│   └── NotFound          there is nothing of this number or name
├── Refused               it cannot be done as things stand; nothing was changed
│   └── BudgetReached     a batch's or the account's budget is used up  (exit 8)
├── Declined              somebody was asked and said no; nothing was changed (exit 5)
├── UnavailableError      a server we need does not answer; try again      (exit 5)
│   ├── DatabaseDown
│   │   └── DatabaseBusy  it answers, but took too long over a statement or a lock
│   ├── RedisDown
│   ├── StoreUnavailable  the artifact store takes nothing at present
│   └── DecodersUnavailable  pictures cannot be opened at present
├── AccountRefused        the removal API refused the account or signature (exit 7)
├── SourceError           one photo cannot be used as it is
│   ├── SourceRefused     no repetition will help (not a photo, too small…)
│   └── SourceUnreachable it could not be fetched this time
├── OutputError           what came back is not the picture we asked for
└── LeaseLost             another worker owns this job now
"""

from http import HTTPStatus


class CleanplateError(Exception):
    """Base of the tree; the message is meant to be read by the user."""

    exit_code = 1


class UsageError(CleanplateError):
    """What was typed or configured cannot be used."""

    exit_code = 2


class NotFound(UsageError):
    """There is nothing of this number or name."""


class Refused(CleanplateError):
    """What was asked cannot be done as things stand; nothing was changed."""


class UnavailableError(CleanplateError):
    """A server we need does not answer; nothing was lost, run again."""

    exit_code = 5


class DatabaseDown(UnavailableError):
    """PostgreSQL cannot be reached."""


class DatabaseBusy(DatabaseDown):
    """PostgreSQL answers, and ended a statement that took too long or waited too long for others."""


class RedisDown(UnavailableError):
    """Redis cannot be reached."""


class StoreUnavailable(UnavailableError):
    """The artifact store takes nothing at present (a full disk, a folder that is gone)."""


class DecodersUnavailable(UnavailableError):
    """No decoder can be started, or each is ended from outside; no photo is to blame."""


class AccountRefused(CleanplateError):
    """The removal API refused the account, its signature or its quota."""

    exit_code = 7


class BudgetReached(Refused):
    """A batch's or the account's budget is used up; what is left waits for more."""

    exit_code = 8


class Declined(CleanplateError):
    """Somebody was asked and said no; nothing was changed."""

    exit_code = 5


class SourceError(CleanplateError):
    """One photo cannot be used as it is.

    Args:
        code: A short, stable word for reports and `requeue --code`, such as `too_small`.
        message: What is wrong and what to do about it.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class SourceRefused(SourceError):
    """No repetition will help: not a photo, outside the API's bounds, a forbidden address."""


class SourceUnreachable(SourceError):
    """The photo could not be fetched this time; a later try may work.

    Args:
        code: A short, stable word, such as `http_404`.
        message: What happened.
        http_status: The status the shop's server answered with, if it answered.
    """

    def __init__(self, code: str, message: str, http_status: int | None = None) -> None:
        super().__init__(code, message)
        self.http_status = http_status

    @property
    def is_final(self) -> bool:
        """Whether the answer says that asking again is pointless (404, 410, 401, 403 and their kin)."""
        status = self.http_status
        return status is not None and 400 <= status < 500 and status not in _TRANSIENT_STATUS


_TRANSIENT_STATUS = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.LOCKED}
)


class OutputError(CleanplateError):
    """What came back is not the picture we asked for (no URL, not an image, wrong size).

    Args:
        code: A short, stable word, such as `output_missing`.
        message: What was expected and what came.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OutputRefused(OutputError):
    """Our own limits keep the output from being fetched; another call would end the same, so its link is kept."""


class LeaseLost(CleanplateError):
    """Another worker owns this job now; nothing was written."""
