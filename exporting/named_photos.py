"""A batch's photos in the order they came in, each with the name that it goes out by."""

from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy import Engine

from db import given_names, listings
from db.listings import PhotoRow
from db.session import transact
from exporting.names import Names


def list_named(engine: Engine, batch_id: int, make_names: Callable[[], Names]) -> Iterator[tuple[PhotoRow, str]]:
    """Yield every photo, done or not, with its name; `names.file_of` tells its file.

    Names that photos came in with go first, whoever is asked first: one that its server gave is learned late, and must
    not change those of others.

    Args:
        engine: The database.
        batch_id: Whose.
        make_names: Gives names by what is one name where they go.
    """
    given = None
    if transact(engine, partial(given_names.has_any, batch_id=batch_id)):
        given = make_names()
        for photo in _list(engine, batch_id):
            given.take(photo.own_name, photo.source_uri)
    names = make_names()
    for photo in _list(engine, batch_id):
        name = names.take(photo.own_name, photo.source_uri)
        if given is not None and photo.name != photo.own_name and given.take_as_it_is(photo.name):
            name = photo.name
        yield photo, name


def _list(engine: Engine, batch_id: int) -> Iterator[PhotoRow]:
    after = 0
    # A page at a time: what becomes of photos takes as long as it takes, and no transaction may stay open meanwhile.
    while photos := transact(engine, partial(listings.list_photos, batch_id=batch_id, after=after)):
        yield from photos
        after = photos[-1].job_id
