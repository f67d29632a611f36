"""`/v1/batches`: making batches, looking at them, steering them."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from actions import batches as steered
from actions import questions
from actions import requeue as send_again
from actions.budgets import set_limits
from actions.questions import Question
from console.api.access import actor_of
from console.api.context import ApiContext, read_cost
from console.api.fields import BatchId, DryRun, Words
from console.api.inputs import BudgetIn, RequeueIn
from console.api.once import IdempotencyKey, run_once
from console.api.outputs import BatchesOut, BatchOut, ChangedOut, DryRunOut, JobsOut
from console.api.problems import responses
from core.settings import Settings
from core.states import JobState
from db import batches, listings, tallies
from db.session import transact
from db.tokens import Scope, TokenRow

Steer = Callable[[Connection, str, int, Settings], int]
Ask = Callable[[Connection, int, Settings], Question | None]
ANSWER = DryRunOut | ChangedOut
DENIED = responses(401, 403, 422)


def batches_router(tools: ApiContext) -> APIRouter:
    """Return the routes of batches."""
    router = APIRouter(prefix="/batches", tags=["batches"], responses=DENIED)
    engine = tools.engine
    Reader = Annotated[TokenRow, Depends(tools.require(Scope.READ))]
    Operator = Annotated[TokenRow, Depends(tools.require(Scope.OPERATE))]

    @router.get("", response_model=BatchesOut)
    def show_all(_: Reader, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> BatchesOut:
        """List the newest batches."""

        def work(connection: Connection) -> BatchesOut:
            rate = tools.rate_now(connection)
            found = batches.newest(connection, limit)
            return BatchesOut(batches=[BatchOut.of(row, tallies.counts(connection, row.id), rate) for row in found])

        return transact(engine, work)

    @router.get("/{batch_id}", response_model=BatchOut, responses=responses(404))
    def show(batch_id: BatchId, _: Reader) -> BatchOut:
        """Show a batch with its counts."""
        return transact(engine, lambda connection: tools.show_batch(connection, batch_id))

    @router.get("/{batch_id}/jobs", response_model=JobsOut, responses=responses(404))
    def jobs(
        batch_id: BatchId,
        _: Reader,
        state: JobState | None = None,
        code: Annotated[Words | None, Query(examples=["801"])] = None,
        sku: Annotated[Words | None, Query(examples=["s-1"])] = None,
        cursor: Annotated[str, Query(pattern=r"^\d{0,18}$")] = "",
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> JobsOut:
        """List a batch's jobs, a page at a time."""

        def work(connection: Connection) -> JobsOut:
            batches.require(connection, batch_id)
            found = listings.list_jobs(
                connection, batch_id, state=state, code=code, sku=sku, after=int(cursor or 0), limit=limit
            )
            more = str(found[-1].id) if len(found) == limit else None
            return JobsOut(jobs=[tools.show_job(row) for row in found], next_cursor=more)

        return transact(engine, work)

    @router.post("/{batch_id}/pause", response_model=ChangedOut, responses=responses(404, 409))
    def pause(batch_id: BatchId, token: Operator, key: IdempotencyKey = None) -> JSONResponse:
        """Stop making calls for a batch."""

        def work(connection: Connection) -> ChangedOut:
            return ChangedOut(changed=_pause(connection, actor_of(token), batch_id))

        return run_once(engine, token, key, f"pause {batch_id}", work)

    def steering(name: str, what: str, ask: Ask, steer: Steer) -> None:
        answers = responses(404, 409)

        @router.post(
            f"/{{batch_id}}/{name}",
            response_model=DryRunOut | ChangedOut,
            responses=answers,
            description=what,
            name=name,
        )
        def act(
            batch_id: BatchId, token: Operator, dry_run: DryRun = False, key: IdempotencyKey = None
        ) -> JSONResponse:
            def work(connection: Connection) -> ChangedOut:
                if dry_run:
                    return tools.asked(ask(connection, batch_id, tools.settings))
                return ChangedOut(changed=steer(connection, actor_of(token), batch_id, tools.settings))

            return run_once(engine, token, key, f"{name} {batch_id}{' dry run' if dry_run else ''}", work)

    steering("resume", "Resume a paused batch, even after a failed canary.", questions.ask_resume, _resume)
    steering("cancel", "End a batch; what waits is never called, what is held stays.", questions.ask_cancel, _cancel)

    @router.post("/{batch_id}/requeue", response_model=ANSWER, responses=responses(404, 409, 413, 415))
    def requeue(
        batch_id: BatchId, asked: RequeueIn, token: Operator, dry_run: DryRun = False, key: IdempotencyKey = None
    ) -> JSONResponse:
        """Send a batch's dead, held or cancelled photos round again."""

        def work(connection: Connection) -> ChangedOut:
            if dry_run:
                question = questions.ask_requeue(
                    connection, batch_id, tools.settings, state=asked.state, code=asked.code
                )
                return tools.asked(question)
            changed = send_again.requeue(
                connection, actor_of(token), batch_id, tools.settings, state=asked.state, code=asked.code
            )
            return ChangedOut(changed=changed)

        what = f"requeue {batch_id} {asked.model_dump_json()}{' dry run' if dry_run else ''}"
        return run_once(engine, token, key, what, work)

    @router.post("/{batch_id}/budget", response_model=BatchOut, responses=responses(404, 409, 413, 415))
    def budget(batch_id: BatchId, asked: BudgetIn, token: Operator, key: IdempotencyKey = None) -> JSONResponse:
        """Set a batch's limits; one that waits for budget goes on when there is some."""

        def work(connection: Connection) -> BatchOut:
            set_limits(
                connection,
                actor_of(token),
                batch_id,
                tools.settings,
                max_calls=asked.max_calls,
                max_cost=read_cost(asked.max_cost),
            )
            return tools.show_batch(connection, batch_id)

        return run_once(engine, token, key, f"budget {batch_id} {asked.model_dump_json()}", work)

    return router


def _pause(connection: Connection, actor: str, batch_id: int) -> int:
    return int(steered.pause(connection, actor, batch_id).is_changed)


def _resume(connection: Connection, actor: str, batch_id: int, settings: Settings) -> int:
    return int(steered.resume(connection, actor, batch_id, settings).is_changed)


def _cancel(connection: Connection, actor: str, batch_id: int, _: Settings) -> int:
    return steered.cancel(connection, actor, batch_id).photos
