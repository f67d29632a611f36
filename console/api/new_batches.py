"""`POST /v1/batches…`: batches of URLs, of a catalogue file, of photos as files."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, File, HTTPException, Query, UploadFile
from fastapi.responses import JSONResponse
from sqlalchemy import Connection

from console.api.access import actor_of
from console.api.context import FROM_ELSEWHERE, ApiContext, read_photos
from console.api.fields import Words
from console.api.inputs import BatchIn, OptionsQuery
from console.api.once import IdempotencyKey, run_once
from console.api.outputs import MadeOut
from console.api.problems import responses
from console.api.upload import UploadedFile, read_upload
from console.pools import FILES
from db import audit, callbacks, catalogues, uploads
from db.tokens import Scope, TokenRow
from producer.catalogue.format import FORMATS, Reading, read_catalogue
from producer.catalogue.item import Item, safe_name
from producer.intake import Intake, submit

Format = Literal[*FORMATS]  # type: ignore[valid-type]
MOST_FILES = 1000
MOST_PHOTO_BYTES = 100_000_000
CATALOGUES = {
    "application/octet-stream": {
        "schema": {"type": "string", "format": "binary"},
        "example": "sku,image_url\ns-1,https://shop.example/a.jpg\n",
    }
}


def making_router(tools: ApiContext) -> APIRouter:
    """Return the routes that make batches."""
    router = APIRouter(prefix="/batches", tags=["batches"], responses=responses(401, 403, 422))
    engine = tools.engine
    Submitter = Annotated[TokenRow, Depends(tools.require(Scope.SUBMIT))]

    @router.post("", status_code=201, response_model=MadeOut, responses=responses(409, 413, 415))
    def create(asked: BatchIn, token: Submitter, key: IdempotencyKey = None) -> JSONResponse:
        """Make a batch of photos by their URLs."""
        options = tools.read_options(asked.options, FROM_ELSEWHERE)
        told = asked.model_dump_json()

        def work(connection: Connection) -> MadeOut:
            source = f"api {token.id} {key or hashlib.sha256(told.encode()).hexdigest()}"
            intake = submit(
                connection,
                read_photos(asked.photos),
                name=asked.name,
                source=source,
                options=options,
                made_by=actor_of(token),
            )
            if asked.callback is not None:
                callbacks.set_target(connection, intake.batch_id, url=asked.callback.url, secret=asked.callback.secret)
            return _made(connection, token, intake)

        return run_once(engine, token, key, f"create {told}", work, status=201)

    @router.post(
        "/catalogue",
        status_code=201,
        response_model=MadeOut,
        responses=responses(409, 413),
        openapi_extra={"requestBody": {"required": True, "content": CATALOGUES}},
    )
    @FILES.serves
    def upload(
        token: Submitter,
        sent: Annotated[UploadedFile, Depends(read_upload)],
        options: Annotated[OptionsQuery, Query()],
        name: Annotated[Words, Query(min_length=1, max_length=200)] = "catalogue",
        file_format: Annotated[Format | None, Query(alias="format")] = None,
        image_column: Annotated[list[Words], Query(alias="image-col", max_length=20)] = [],  # noqa: B006
        base_url: Annotated[Words, Query(alias="base-url")] = "",
        strict: Annotated[bool, Query(description="Refuse a file with a row that cannot be read")] = False,
        key: IdempotencyKey = None,
    ) -> JSONResponse:
        """Make a batch of a catalogue file, which is the request's body; its format is found from its content."""
        reading = Reading(file_format, tuple(image_column), base_url, is_strict=strict)
        asked = tools.read_options(options, reading)

        def work(connection: Connection) -> MadeOut:
            source = f"api {token.id} {sent.sha256}"
            with TemporaryDirectory() as folder:
                path = Path(folder) / "catalogue"
                path.write_bytes(sent.data)
                rows = read_catalogue(path, reading)
                intake = submit(connection, rows, name=name, source=source, options=asked, made_by=actor_of(token))
            catalogues.keep(connection, intake.batch_id, name=name, data=sent.data)
            return _made(connection, token, intake)

        told = f"upload {sent.sha256} {name} {asked.as_dict()}"
        return run_once(engine, token, key, told, work, status=201)

    @router.post("/files", status_code=201, response_model=MadeOut, responses=responses(409, 413))
    @FILES.serves
    def upload_photos(
        token: Submitter,
        files: Annotated[list[UploadFile], File(min_length=1, max_length=MOST_FILES, description="The photos")],
        options: Annotated[OptionsQuery, Query()],
        name: Annotated[Words, Query(min_length=1, max_length=200)] = "files",
        key: IdempotencyKey = None,
    ) -> JSONResponse:
        """Make a batch of photos that are sent as files."""
        asked = tools.read_options(options, FROM_ELSEWHERE)
        photos = [(file.filename or "photo", file.file.read(MOST_PHOTO_BYTES + 1)) for file in files]
        for filename, data in photos:
            if len(data) > MOST_PHOTO_BYTES:
                raise HTTPException(413, f"{filename[:80]} is over {MOST_PHOTO_BYTES // 1_000_000} MB.")
        told = " ".join(hashlib.sha256(data).hexdigest() for _, data in photos)

        def work(connection: Connection) -> MadeOut:
            items = [
                Item(uri=uploads.keep(connection, data), name=safe_name(filename) or "photo")
                for filename, data in photos
            ]
            source = f"api {token.id} {hashlib.sha256(told.encode()).hexdigest()}"
            return _made(
                connection,
                token,
                submit(connection, items, name=name, source=source, options=asked, made_by=actor_of(token)),
            )

        return run_once(engine, token, key, f"files {told} {name} {asked.as_dict()}", work, status=201)

    return router


def _made(connection: Connection, token: TokenRow, intake: Intake) -> MadeOut:
    audit.note(connection, actor_of(token), "submit", f"batch {intake.batch_id}", f"{intake.added} photos")
    return MadeOut(id=intake.batch_id, added=intake.added, resumed=intake.resumed, unreadable=intake.faults)
