"""`/v1/jobs`: one job with its attempts, its output, and what people decide about it."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Path, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from actions.flags import flag, unflag
from actions.questions import ask_requeue_one
from actions.requeue import requeue_one
from actions.review import accept, reject
from console.api.access import actor_of
from console.api.context import ApiContext
from console.api.fields import MOST_ID, DryRun
from console.api.once import IdempotencyKey, run_once
from console.api.outputs import AttemptOut, ChangedOut, DryRunOut, JobDetailOut
from console.api.problems import responses
from console.artifacts import ASK_EACH_TIME, MEDIA_TYPES, WantedPart, send
from console.pools import OUTPUTS
from db import artifacts, job_history, listings
from db.listings import JobRow
from db.session import transact
from db.tokens import Scope, TokenRow

Decide = Callable[[Connection, str, int], int]
JobId = Annotated[int, Path(ge=1, le=MOST_ID)]


def jobs_router(tools: ApiContext) -> APIRouter:
    """Return the routes of jobs."""
    router = APIRouter(prefix="/jobs", tags=["jobs"], responses=responses(401, 403, 404, 422))
    engine = tools.engine
    Reader = Annotated[TokenRow, Depends(tools.require(Scope.READ))]
    Operator = Annotated[TokenRow, Depends(tools.require(Scope.OPERATE))]

    @router.get("/{job_id}", response_model=JobDetailOut)
    def show(job_id: JobId, _: Reader) -> JobDetailOut:
        """Show a job with every attempt."""

        def work(connection: Connection) -> JobDetailOut:
            row = _job_or_404(connection, job_id)
            history = [AttemptOut.of(each) for each in job_history.list_attempts(connection, job_id)]
            return JobDetailOut(**tools.show_job(row).model_dump(), history=history)

        return transact(engine, work)

    images: dict[int | str, dict[str, object]] = {
        status: {"description": told, "content": {kind: {} for kind in MEDIA_TYPES.values()}}
        for status, told in ((200, "The clean photo"), (206, "A part of it"))
    }

    @router.get(
        "/{job_id}/artifact",
        response_class=Response,
        responses={**images, 304: {"description": "As you have it"}, **responses(416)},
    )
    @OUTPUTS.serves
    def fetch(
        job_id: JobId,
        _: Reader,
        range_: Annotated[str, Header(alias="range")] = "",
        if_none_match: Annotated[str, Header()] = "",
        if_range: Annotated[str, Header()] = "",
    ) -> Response:
        """Fetch a job's clean photo."""
        row = transact(engine, lambda connection: _job_or_404(connection, job_id))
        sha256 = row.artifact_sha256
        found = transact(engine, lambda connection: artifacts.find(connection, sha256)) if sha256 else None
        if found is None:
            raise HTTPException(404, f"Job {job_id} has no clean photo; it is {row.state}.")
        # Sent round again, a job may come to another output.
        return send(engine, found, WantedPart(range_, if_none_match, if_range), cache=ASK_EACH_TIME)

    def deciding(name: str, what: str, decide: Decide) -> None:
        @router.post(
            f"/{{job_id}}/{name}", response_model=ChangedOut, responses=responses(409), description=what, name=name
        )
        def act(job_id: JobId, token: Operator, key: IdempotencyKey = None) -> JSONResponse:
            def work(connection: Connection) -> ChangedOut:
                return ChangedOut(changed=decide(connection, actor_of(token), job_id))

            return run_once(engine, token, key, f"{name} {job_id}", work)

    deciding("accept", "Take the output of a held job as good.", _accept)
    deciding("reject", "Let go of the output of a held or clean job; it is dead then.", _reject)
    deciding("flag", "Put a job among those that people review; its state stays as it is.", _flag)
    deciding("unflag", "Take a job's flag away.", _unflag)

    @router.post("/{job_id}/requeue", response_model=DryRunOut | ChangedOut, responses=responses(409))
    def requeue(job_id: JobId, token: Operator, dry_run: DryRun = False, key: IdempotencyKey = None) -> JSONResponse:
        """Send a dead, held or cancelled job round again."""

        def work(connection: Connection) -> ChangedOut:
            if dry_run:
                _job_or_404(connection, job_id)
                return tools.asked(ask_requeue_one(connection, job_id, tools.settings))
            requeue_one(connection, actor_of(token), job_id, tools.settings)
            return ChangedOut(changed=1)

        return run_once(engine, token, key, f"requeue {job_id}{' dry run' if dry_run else ''}", work)

    return router


def _accept(connection: Connection, actor: str, job_id: int) -> int:
    return 1 + len(accept(connection, actor, job_id).twins)


def _reject(connection: Connection, actor: str, job_id: int) -> int:
    return 1 + len(reject(connection, actor, job_id).twins)


def _flag(connection: Connection, actor: str, job_id: int) -> int:
    return int(flag(connection, actor, job_id))


def _unflag(connection: Connection, actor: str, job_id: int) -> int:
    return int(unflag(connection, actor, job_id))


def _job_or_404(connection: Connection, job_id: int) -> JobRow:
    found = listings.find_job(connection, job_id)
    if found is None:
        raise HTTPException(404, f"There is no job {job_id}.")
    return found
