"""What answers tell of the account and the provider as a whole: circuits open and close here."""

from dataclasses import dataclass

from sqlalchemy import Connection

from core.states import AnswerClass
from db import circuits, outages
from db.attempts import AttemptResult
from db.jobs import ClaimedJob
from db.outages import Fault, Outlook, ProbeRules
from removal.answers import FAULTS, Kind, KindOf

ACCOUNT_REASON = "account"


@dataclass(frozen=True, slots=True)
class AccountHealth:
    """The circuit of one account, as workers keep it.

    Args:
        account: Whose.
        probes: How often an outage is asked about.
        kind_of: What the provider's codes mean.
    """

    account: str
    probes: ProbeRules
    kind_of: KindOf

    def look(self, connection: Connection, job: ClaimedJob, attempt_id: int, outcome: AttemptResult) -> Outlook:
        """Return what a call that did not succeed tells of the provider, before it is settled.

        Args:
            connection: The transaction in which the attempt is settled afterwards.
            job: Whose call.
            attempt_id: The call.
            outcome: How it ended.
        """
        if outcome.answer_class not in FAULTS:
            return Outlook(is_outage=False)
        return outages.look(connection, self.account, _fault_of(job, attempt_id, outcome), self.is_providers)

    def note_failure(
        self, connection: Connection, job: ClaimedJob, attempt_id: int, outcome: AttemptResult, outlook: Outlook
    ) -> None:
        """Open or close the circuit after a call that did not succeed.

        Args:
            connection: The transaction in which the attempt was settled.
            job: Whose call.
            attempt_id: The call.
            outcome: How it ended.
            outlook: What `look` made of it.
        """
        if outcome.answer_class is AnswerClass.ACCOUNT:
            circuits.trip(connection, self.account, reason=ACCOUNT_REASON, code=outcome.code, message=outcome.message)
            return
        is_fault = outcome.answer_class in FAULTS
        if self._is_from_a_good_account(outcome):
            # A fault that the API itself reports shows an account in order, but not a provider that works.
            circuits.close(connection, self.account, attempt_id=attempt_id, reason=ACCOUNT_REASON if is_fault else None)
        if is_fault:
            fault = _fault_of(job, attempt_id, outcome)
            outages.note_fault(connection, self.account, fault, self.probes, outlook)

    def _is_from_a_good_account(self, outcome: AttemptResult) -> bool:
        """Whether an answer shows that the account may call: the API itself spoke, and not about the account."""
        speaks = outcome.answer_class in {AnswerClass.SOURCE, AnswerClass.PERMANENT, AnswerClass.PROVIDER_FAULT}
        return speaks and outcome.http_status is not None and self._known(outcome) is not None

    def is_providers(self, call: outages.LastCall) -> bool:
        """Whether a call failed for the provider's sake."""
        return (self._known(call) or Kind(call.answer_class)).is_providers

    def _known(self, call: AttemptResult | outages.LastCall) -> Kind | None:
        kind = self.kind_of(call.code, call.message)
        # A code may be our own word, and only its message look like the provider's.
        return kind if kind is not None and kind.answer_class is call.answer_class else None


def _fault_of(job: ClaimedJob, attempt_id: int, outcome: AttemptResult) -> Fault:
    return Fault(job.id, attempt_id, outcome.code, outcome.message, outcome.answer_class)
