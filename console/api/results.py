"""`/v1/batches/{id}/…`: what a batch came to, as files."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.api.context import ApiContext
from console.api.fields import BatchId
from console.api.problems import responses
from console.made_files import BYTES, CSV, ZIP, BatchFiles, MadeFile
from db.tokens import Scope, TokenRow
from exporting.results_zip import ZipContents


def results_router(tools: ApiContext) -> APIRouter:
    """Return the routes of batches' results."""
    router = APIRouter(prefix="/batches/{batch_id}", tags=["results"], responses=responses(401, 403, 404, 422, 503))
    files = BatchFiles(tools.engine, tools.settings)
    Reader = Annotated[TokenRow, Depends(tools.require(Scope.READ))]
    Submitter = Annotated[TokenRow, Depends(tools.require(Scope.SUBMIT))]

    def described(told: str, media_type: str) -> dict[int | str, dict[str, object]]:
        schema = {"schema": {"type": "string", "format": "binary"}}
        return {200: {"description": told, "content": {media_type.partition(";")[0]: schema}}}

    @router.get("/results.zip", response_class=Response, responses=described("The archive", ZIP))
    async def results(batch_id: BatchId, token: Reader) -> MadeFile:
        """Fetch what is clean by now and the report; with the scope `submit` also `failed.csv` and the catalogue."""
        return await files.results(batch_id, ZipContents(sources=Scope.SUBMIT.value in token.scopes))

    @router.get("/report.zip", response_class=Response, responses=described("The archive", ZIP))
    async def report(batch_id: BatchId, _: Reader) -> MadeFile:
        """Fetch the report without the photos."""
        return await files.results(batch_id, ZipContents(photos=False, sources=False))

    @router.get("/catalogue", response_class=Response, responses={**described("The file", BYTES), **responses(409)})
    async def catalogue(batch_id: BatchId, _: Submitter) -> MadeFile:
        """Fetch the catalogue that a batch was made from, with the URLs of the clean photos."""
        return await files.catalogue(batch_id)

    @router.get("/failed.csv", response_class=Response, responses=described("The table", CSV))
    async def failed(batch_id: BatchId, _: Submitter) -> MadeFile:
        """Fetch the photos that are not clean, as a table that can be handed in again."""
        return await files.failed(batch_id)

    return router
