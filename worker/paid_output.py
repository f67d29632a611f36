"""The step after a paid answer: its output is fetched and kept, held, waited for, or given up."""

import structlog

from core import tracing
from core.errors import OutputError, OutputRefused, SourceUnreachable
from core.states import AnswerClass
from db.attempts import AttemptResult
from db.jobs import ClaimedJob
from worker import metrics, past_attempts
from worker.equipment import Equipment
from worker.execution import Ending
from worker.output import Output, collect, doubt_about
from worker.policy import decide_download, decide_output
from worker.prepare import Prepared

log = structlog.stdlib.get_logger(__name__)


class PaidOutputs:
    """Ends jobs whose photos are paid for.

    Args:
        tools: What it works with.
    """

    def __init__(self, tools: Equipment) -> None:
        self._tools = tools

    def borrow(self, job: ClaimedJob, url: str, photo: Prepared) -> Ending | None:
        """Collect the output that a twin has paid for and not fetched yet; None when its link leads nowhere."""
        try:
            return self._fetch_paid(job, None, url, photo)
        except OutputRefused as error:
            return self._refuse_output(job, error)
        except OutputError as error:
            log.info("job %s: the output its twin paid for cannot be had: %s", job.id, error)
            return None

    def collect(self, job: ClaimedJob, attempt_id: int | None, url: str, photo: Prepared) -> Ending:
        """End a job with the output that was paid for, or as the policy says when it cannot be used.

        Args:
            job: Whose.
            attempt_id: The call it came from; None when an earlier execution made it.
            url: Where the output is.
            photo: What was sent.

        Raises:
            LeaseLost: Another worker owns the job.
            StoreUnavailable: The store takes nothing; the link of the output stays with the job.
        """
        try:
            return self._fetch_paid(job, attempt_id, url, photo)
        except OutputError as error:
            return self._refuse_output(job, error)

    def _fetch_paid(self, job: ClaimedJob, attempt_id: int | None, url: str, photo: Prepared) -> Ending:
        """End the job with an output that is paid for, or let it wait while the output's host does not answer.

        Raises:
            OutputError: It cannot be used, however often it is fetched.
        """
        try:
            with tracing.span("collect"):
                output = collect(url, photo, self._tools.fetcher, is_bare=job.strip_metadata)
        except SourceUnreachable as error:
            # The money is spent: the link is kept and only the download is tried again.
            later = decide_download(
                failed=past_attempts.count_failed_fetches(self._tools.engine, job), rules=self._tools.rules
            )
            failed = AttemptResult(
                AnswerClass.PROVIDER_FAULT,
                f"output_{error.code}",
                f"The paid output could not be fetched: {error} Its link is kept: `retry` costs no call.",
                counted=later.counted,
            )
            return self._tools.finisher.apply(job, None, failed, later)
        return self._keep(job, attempt_id, output, photo)

    def _refuse_output(self, job: ClaimedJob, error: OutputError) -> Ending:
        again = decide_output(
            is_refused=isinstance(error, OutputRefused),
            attempts=job.attempts,
            same_code=past_attempts.count_code(self._tools.engine, job, error.code),
            rules=self._tools.rules,
        )
        failed = AttemptResult(AnswerClass.PROVIDER_FAULT, error.code, str(error))
        is_lost = not isinstance(error, OutputRefused)
        return self._tools.finisher.apply(job, None, failed, again, forget_output=is_lost)

    def _keep(self, job: ClaimedJob, attempt_id: int | None, output: Output, photo: Prepared) -> Ending:
        tools = self._tools
        doubt = doubt_about(output, unchanged_below=tools.hold_unchanged_below, changed_above=tools.hold_changed_above)
        if doubt is None and tools.prover is not None:
            doubt = tools.prover.doubt(job, photo, output)
        with tracing.span("store"):
            if doubt is not None:
                ending = tools.finisher.hold(job, attempt_id, output, doubt)
            else:
                ending = tools.finisher.succeed(job, attempt_id, output)
        metrics.ARTIFACT_BYTES.inc(len(output.data))
        return ending
