"""`/v1/search`: photos and batches found by whatever somebody has at hand."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection

from console.api.context import ApiContext
from console.api.fields import Words
from console.api.outputs import FoundOut, JobOut, SearchOut
from console.api.problems import responses
from db import listings, search
from db.session import transact
from db.tokens import Scope, TokenRow


def search_router(tools: ApiContext) -> APIRouter:
    """Return the route of the search."""
    router = APIRouter(prefix="/search", tags=["jobs"], responses=responses(401, 403, 422))
    Reader = Annotated[TokenRow, Depends(tools.require(Scope.READ))]

    @router.get("", response_model=SearchOut)
    def show_found(
        _: Reader,
        q: Annotated[Words, Query(min_length=1, max_length=search.LONGEST, examples=["sku-1"])],
        limit: Annotated[int, Query(ge=1, le=search.MOST_FOUND, description="Photos of each way, at most")] = 20,
    ) -> SearchOut:
        """Find photos by SKU, file name, URL, number or request, and batches by number or name."""

        def work(connection: Connection) -> SearchOut:
            found = search.find(connection, q)

            def show(ids: list[int]) -> list[JobOut]:
                return [tools.show_job(row) for row in listings.list_these(connection, ids[:limit])]

            photos = [
                FoundOut(by=group.by, total=len(group.ids), is_more=group.is_more, jobs=show(group.ids))
                for group in found.groups
            ]
            return SearchOut(batch_ids=found.batch_ids, photos=photos)

        return transact(tools.engine, work)

    return router
