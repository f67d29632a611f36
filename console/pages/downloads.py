"""What a batch came to, as files for people."""

from typing import Annotated

from fastapi import APIRouter, Depends
from sqlalchemy import Engine

from console.api.fields import BatchId
from console.made_files import BatchFiles, MadeFile
from console.pages.visitor import Guard, Visitor
from core.settings import Settings
from db.users import Role
from exporting.results_zip import ZipContents


def downloads_router(engine: Engine, guard: Guard, settings: Settings) -> APIRouter:
    """Return the routes of batches' files."""
    router = APIRouter(prefix="/batches/{batch_id}")
    files = BatchFiles(engine, settings)
    Viewer = Annotated[Visitor, Depends(guard.needs(Role.VIEWER))]
    # URLs stand in these files with what lets others in.
    Operator = Annotated[Visitor, Depends(guard.needs(Role.OPERATOR))]

    @router.get("/results.zip", response_model=None)
    async def results(batch_id: BatchId, visitor: Viewer) -> MadeFile:
        return await files.results(batch_id, ZipContents(sources=visitor.may(Role.OPERATOR)))

    @router.get("/report.zip", response_model=None)
    async def report(batch_id: BatchId, _: Viewer) -> MadeFile:
        return await files.results(batch_id, ZipContents(photos=False, sources=False))

    @router.get("/catalogue", response_model=None)
    async def catalogue(batch_id: BatchId, _: Operator) -> MadeFile:
        return await files.catalogue(batch_id)

    @router.get("/failed.csv", response_model=None)
    async def failed(batch_id: BatchId, _: Operator) -> MadeFile:
        return await files.failed(batch_id)

    return router
