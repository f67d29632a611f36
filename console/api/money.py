"""`/v1/quotes`, `/v1/costs`, `/v1/limiter`: what photos would cost, what they did, and how fast it goes."""

from collections import defaultdict
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from console.api.context import FROM_ELSEWHERE, ApiContext, read_photos
from console.api.cost_lines import CostLineOut, CostsByOut
from console.api.fields import MOST_ID
from console.api.inputs import BatchIn
from console.api.once import IdempotencyKey, run_once
from console.api.outputs import CostsOut, LedgerLineOut, LimiterOut, QuoteOut
from console.api.problems import responses
from core.content import content_key
from db import costs, history
from db.costs import CostsBy
from db.session import transact
from db.tokens import Scope, TokenRow
from producer.intake import what_to_take_off
from quote.pace import pace, seconds_for
from removal.limiter.errors import LimiterUnavailable
from removal.limiter.view import look


def money_router(tools: ApiContext) -> APIRouter:
    """Return the routes about money and speed."""
    router = APIRouter(tags=["money"], responses=responses(401, 403, 422))
    engine, settings = tools.engine, tools.settings
    Reader = Annotated[TokenRow, Depends(tools.require(Scope.READ))]

    @router.post("/quotes", response_model=QuoteOut, responses=responses(409, 413, 415))
    def quote(asked: BatchIn, token: Reader, key: IdempotencyKey = None) -> JSONResponse:
        """Say what photos would come to; nothing is called, fetched or kept."""
        options = tools.read_options(asked.options, FROM_ELSEWHERE)
        wanted = {(item.uri, *what_to_take_off(item, options)) for item in read_photos(asked.photos)}

        def count_cleaned(connection: Connection) -> int:
            if options.force:
                return 0
            known: defaultdict[str, list[history.CleanedUrl]] = defaultdict(list)
            for row in history.find_cleaned_urls(connection, sorted({url for url, *_ in wanted}), None):
                known[row.url].append(row)
            return sum(
                mask is None
                and any(
                    row.content_key == content_key(settings.provider, row.sha256, elements, subject, None)
                    for row in known[url]
                )
                for url, elements, subject, mask in wanted
            )

        def work(connection: Connection) -> QuoteOut:
            cleaned = count_cleaned(connection)
            to_call, rate = len(wanted) - cleaned, pace(connection, settings)
            return QuoteOut(
                photos=len(asked.photos),
                unique=len(wanted),
                already_cleaned=cleaned,
                to_call=to_call,
                price=settings.removal_price,
                currency=settings.removal_currency,
                cost=settings.removal_price * to_call,
                rate=rate,
                seconds=seconds_for(to_call, rate),
            )

        return run_once(engine, token, key, f"quote {asked.model_dump_json()}", work)

    @router.get("/costs", response_model=CostsOut)
    def ledger(
        _: Reader,
        batch: Annotated[int | None, Query(ge=1, le=MOST_ID)] = None,
        days: Annotated[int | None, Query(ge=1, le=3660)] = None,
    ) -> CostsOut:
        """Show what was called and paid, per batch and day."""
        found = transact(engine, lambda connection: costs.ledger(connection, batch_id=batch, days=days))
        lines = [
            LedgerLineOut(
                **{name: getattr(line, name) for name in LedgerLineOut.model_fields if name not in {"day", "codes"}},
                day=line.day.isoformat(),
                codes=dict(line.codes),
            )
            for line in found
        ]
        return CostsOut(currency=settings.removal_currency, lines=lines)

    @router.get("/costs/by/{by}", response_model=CostsByOut)
    def costs_per(by: CostsBy, _: Reader, days: Annotated[int | None, Query(ge=1, le=3660)] = None) -> CostsByOut:
        """Show what was called, paid and saved per day, batch, connection or lane."""
        found = transact(engine, lambda connection: costs.costs_by(connection, by, days=days))
        return CostsByOut(
            currency=settings.removal_currency,
            is_free=settings.is_free,
            lines=[CostLineOut.of(line, by, settings) for line in found],
        )

    @router.get("/limiter", response_model=LimiterOut, responses=responses(404, 503))
    def limiter(_: Reader) -> LimiterOut:
        """Show how fast it goes."""
        try:
            found = look(settings.redis_url, settings.account)
        except LimiterUnavailable as error:
            raise HTTPException(503, "Redis does not answer; try again.") from error
        if found is None:
            raise HTTPException(404, "No call was made yet, so there is nothing to tell.")
        return LimiterOut(**{name: getattr(found, name) for name in LimiterOut.model_fields})

    return router
