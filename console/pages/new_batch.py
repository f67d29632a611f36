"""`/batches/new`: photos or a catalogue file are dropped, quoted, and submitted once somebody says yes."""

import hashlib
from dataclasses import asdict
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine
from starlette.datastructures import FormData, UploadFile

from console.pages.forms import Sent
from console.pages.rendering import Pages
from console.pages.visitor import Guard, PageError, Visitor
from console.pools import FILES
from core.errors import UsageError
from core.figures import counted
from core.settings import Settings
from core.states import Lane, Screen
from db import audit, catalogues, drafts, uploads
from db.drafts import DroppedFile
from db.session import transact
from db.users import Role
from producer.catalogue.format import FORMATS, Reading, read_catalogue, tell_guess
from producer.catalogue.item import Item, safe_name
from producer.catalogue.source import is_photo
from producer.intake import BatchOptions, submit
from quote import make_quote
from quote.clean_urls import missing_address
from quote.pace import present_pace

PHOTOS, CATALOGUE = "photos", "catalogue"
MOST_CATALOGUE_BYTES = 50_000_000


Typed = dict[str, list[str]]
"""What stands in the form, by field."""
UNTOUCHED: Typed = {"element": ["1", "2", "3", "4"], "subject": ["1"]}


def making_router(engine: Engine, guard: Guard, pages: Pages, settings: Settings) -> APIRouter:
    """Return the routes of new batches."""
    router = APIRouter(prefix="/batches/new")
    Operator = Annotated[Visitor, Depends(guard.needs(Role.OPERATOR))]
    Acting = Annotated[Visitor, Depends(guard.acting(Role.OPERATOR))]

    def show_form(request: Request, visitor: Visitor, typed: Typed, *, wrong: str = "") -> Response:
        status = 422 if wrong else 200
        return pages.show(
            request,
            "new_batch.html",
            visitor,
            status=status,
            wrong=wrong,
            typed=typed,
            formats=FORMATS,
            settings=settings,
        )

    @router.get("")
    def form(request: Request, visitor: Operator) -> Response:
        return show_form(request, visitor, UNTOUCHED)

    @router.post("")
    @FILES.serves
    def take(request: Request, visitor: Acting, sent: Sent) -> Response:
        try:
            files = _files(sent)
            kind = PHOTOS if all(is_photo(FilePath(file.name)) for file in files) else CATALOGUE
            if kind == CATALOGUE and len(files) > 1:
                raise UsageError("Drop either photos or one catalogue file, not both.")  # noqa: TRY301
            told = _read_options(sent)
            name = str(sent.get("name") or "").replace("\0", "").strip()[:200] or _name(files)
            found = _quote(engine, settings, files, kind, options_of(told))
        except UsageError as error:
            return show_form(request, visitor, _typed(sent), wrong=str(error))
        draft_id = transact(
            engine,
            lambda connection: drafts.create(
                connection, visitor.user.id, name=name, kind=kind, options=told | {"quote": found}, files=files
            ),
        )
        return pages.go(f"/batches/new/{draft_id}")

    @router.get("/{draft_id}")
    def show(request: Request, draft_id: UUID, visitor: Operator) -> Response:
        draft = transact(engine, lambda connection: drafts.find(connection, draft_id, visitor.user.id))
        if draft is None:
            raise PageError(404, "This draft is gone: it was submitted or is more than a day old.")
        return pages.show(
            request, "quote.html", visitor, draft=draft, quote=draft.options["quote"], options=draft.options
        )

    @router.post("/{draft_id}")
    @FILES.serves
    def confirm(draft_id: UUID, visitor: Acting) -> Response:
        def work(connection: Connection) -> int:
            draft = drafts.find(connection, draft_id, visitor.user.id)
            if draft is None:
                raise PageError(404, "This draft is gone: it was submitted or is more than a day old.")
            files = drafts.list_files(connection, draft_id)
            options, who = options_of(draft.options), visitor.user.name
            source = f"console {_digest(files)}"
            if draft.kind == PHOTOS:
                items = [Item(uploads.keep(connection, file.data), _safe(file)) for file in files]
                intake = submit(connection, items, name=draft.name, source=source, options=options, made_by=who)
            else:
                with TemporaryDirectory() as folder:
                    path = _written(files[0], folder)
                    rows = read_catalogue(path, options.reading)
                    intake = submit(connection, rows, name=draft.name, source=source, options=options, made_by=who)
                catalogues.keep(connection, intake.batch_id, name=files[0].name, data=files[0].data)
            drafts.remove(connection, draft_id)
            audit.note(
                connection,
                visitor.user.name,
                "submit",
                f"batch {intake.batch_id}",
                f"{counted(intake.added, 'photo')} of {draft.name}",
            )
            return intake.batch_id

        batch_id = transact(engine, work)
        return pages.go(f"/batches/{batch_id}", "Submitted.")

    @router.post("/{draft_id}/discard")
    def discard(draft_id: UUID, visitor: Acting) -> Response:
        def work(connection: Connection) -> None:
            if drafts.find(connection, draft_id, visitor.user.id) is not None:
                drafts.remove(connection, draft_id)

        transact(engine, work)
        return pages.go("/batches/new", "Discarded. Nothing was called.")

    return router


def _quote(
    engine: Engine, settings: Settings, files: list[DroppedFile], kind: str, options: BatchOptions
) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        photos = {_uri(file): file.data for file in files} if kind == PHOTOS else {}
        items = (
            [Item(_uri(file), _safe(file)) for file in files]
            if kind == PHOTOS
            else read_catalogue(_written(files[0], folder), options.reading)
        )
        found = make_quote(
            engine,
            settings,
            items,
            source=f"console {_digest(files)}",
            options=options,
            rate=present_pace(engine, settings),
            photos=photos,
        )
        path = None if kind == PHOTOS else _written(files[0], folder)
        guessed = "" if path is None else tell_guess(path, options.reading)
        missing = "" if path is None else missing_address(settings, path, options.reading)
    names = (
        "photos",
        "duplicates",
        "cleaned",
        "cleaned_urls",
        "to_call",
        "urls",
        "fitted",
        "refused",
        "rate",
        "looked",
        "bare",
    )
    return {
        **{each: getattr(found, each) for each in names},
        "guessed": guessed,
        "missing": missing,
        "price": str(found.price),
        "cost": str(found.cost),
        "seconds": found.seconds,
        "within_budget": found.within_budget,
        "losses": dict(found.losses),
        "steps": dict(found.steps),
        "refusals": [{"code": code, **asdict(refusal)} for code, refusal in found.refusals.items()],
    }


def options_of(told: dict[str, Any]) -> BatchOptions:
    """Return what holds for a draft's photos."""
    elements = tuple(told["elements"])
    reading = Reading(told["format"] or None, tuple(told["columns"]), told["base_url"])
    return BatchOptions(
        elements=elements,
        subject_elements=elements if told["subject"] else (),
        lane=Lane(told["lane"]),
        force=told["force"],
        screen=Screen(told.get("screen") or Screen.OFF),
        strip_metadata=bool(told.get("strip_metadata")),
        canary=told["canary"],
        max_calls=told["max_calls"],
        reading=reading,
    )


def _read_options(sent: FormData) -> dict[str, Any]:
    elements = sorted({int(str(each)) for each in sent.getlist("element") if str(each) in {"1", "2", "3", "4"}})
    if not elements:
        raise UsageError("Tick at least one thing to remove.")
    chosen = str(sent.get("format") or "")
    if chosen and chosen not in FORMATS:
        raise UsageError("There is no such format.")
    lane = str(sent.get("lane") or Lane.BULK)
    if lane not in set(Lane):
        raise UsageError("There is no such lane.")
    screen = str(sent.get("screen") or Screen.OFF)
    if screen not in set(Screen):
        raise UsageError("There is no such screening mode.")
    return {
        "elements": elements,
        "subject": bool(sent.get("subject")),
        "lane": lane,
        "force": bool(sent.get("force")),
        "screen": screen,
        "strip_metadata": bool(sent.get("strip_metadata")),
        "canary": _number(sent, "canary", "Canary"),
        "max_calls": _number(sent, "max_calls", "Call limit"),
        "format": chosen,
        "columns": [part.strip() for part in str(sent.get("columns") or "").split(",") if part.strip()][:20],
        "base_url": str(sent.get("base_url") or "").strip()[:2000],
    }


def _typed(sent: FormData) -> Typed:
    """Return what was typed, so that a mistake in one field costs none of the others; files have to be chosen anew."""
    return {name: [each for each in sent.getlist(name) if isinstance(each, str)] for name in sent}


def _number(sent: FormData, name: str, called: str) -> int | None:
    told = str(sent.get(name) or "").strip()
    if not told:
        return None
    if not (told.isascii() and told.isdecimal() and 0 < len(told) <= 9 and int(told)):
        raise UsageError(f"{called} must be a whole number of at least 1, or empty.")
    return int(told)


def _files(sent: FormData) -> list[DroppedFile]:
    found = [
        DroppedFile((file.filename or "file").replace("\0", "")[:500], file.file.read())
        for file in sent.getlist("files")
        if isinstance(file, UploadFile) and (file.filename or file.size)
    ]
    if not found:
        raise UsageError("Choose photos or one catalogue file.")
    if empty := [file.name for file in found if not file.data]:
        raise UsageError(f"{empty[0]} is empty.")
    if not is_photo(FilePath(found[0].name)) and len(found[0].data) > MOST_CATALOGUE_BYTES:
        raise UsageError("A catalogue file may be up to 50 MB here; `cleanplate submit FILE` accepts any size.")
    return found


def _name(files: list[DroppedFile]) -> str:
    return files[0].name if len(files) == 1 else f"{files[0].name} and {len(files) - 1} more"


def _safe(file: DroppedFile) -> str:
    return safe_name(file.name) or "photo"


def _uri(file: DroppedFile) -> str:
    return f"{uploads.SCHEME}{hashlib.sha256(file.data).hexdigest()}"


def _digest(files: list[DroppedFile]) -> str:
    return hashlib.sha256(" ".join(f"{_uri(file)} {file.name}" for file in files).encode()).hexdigest()


def _written(file: DroppedFile, folder: str) -> FilePath:
    path = FilePath(folder) / (safe_name(file.name) or "catalogue")
    path.write_bytes(file.data)
    return path
