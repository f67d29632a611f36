"""What answers tell of the account and the provider as a whole: circuits open and close here."""

from dataclasses import dataclass

from sqlalchemy import Connection

from core.states import AnswerClass
from db import circuits, outages
from db.attempts import Outcome
from db.jobs import ClaimedJob
from db.outages import Fault, ProbeRules

ACCOUNT_REASON = "account"
_FAULTS = {AnswerClass.PROVIDER_FAULT, AnswerClass.MAYBE_BILLED, AnswerClass.UNKNOWN}


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """The circuit of one account, as workers keep it.

    Args:
        account: Whose.
        probes: How often an outage is asked about.
    """

    account: str
    probes: ProbeRules

    def note_success(self, connection: Connection, attempt_id: int) -> None:
        """Close the circuit: a call that was sent since it opened was good."""
        circuits.close(connection, self.account, attempt_id=attempt_id)

    def note_failure(self, connection: Connection, job: ClaimedJob, attempt_id: int, outcome: Outcome) -> bool:
        """Open or close the circuit after a call that did not succeed.

        Args:
            connection: The transaction in which the attempt was settled.
            job: Whose call.
            attempt_id: The call.
            outcome: How it ended.

        Returns:
            Whether it failed because the provider is out, and so must not count against the job.
        """
        if outcome.answer_class is AnswerClass.ACCOUNT:
            circuits.trip(connection, self.account, reason=ACCOUNT_REASON, code=outcome.code, message=outcome.message)
            return False
        is_fault = outcome.answer_class in _FAULTS
        if is_from_a_good_account(outcome):
            # A fault that the API itself reports shows an account in order, but not a provider that works.
            circuits.close(connection, self.account, attempt_id=attempt_id, reason=ACCOUNT_REASON if is_fault else None)
        if not is_fault:
            return False
        fault = Fault(job.id, attempt_id, outcome.code, outcome.message)
        return outages.note_fault(connection, self.account, fault, self.probes)


def is_from_a_good_account(outcome: Outcome) -> bool:
    """Whether an answer shows that the account may call: the API itself spoke, and not about the account."""
    speaks = outcome.answer_class in {AnswerClass.SOURCE, AnswerClass.PERMANENT, AnswerClass.PROVIDER_FAULT}
    return speaks and outcome.http_status is not None and outcome.code.isdecimal()
