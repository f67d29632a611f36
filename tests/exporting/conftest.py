"""Batches that came from somewhere and are clean, as far as a test wants."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import Engine, text

from db import artifacts, batches, catalogues
from db.batches import BatchRow
from producer.catalogue.format import Reading, read_catalogue
from producer.intake import BatchOptions, submit

HandIn = Callable[..., BatchRow]
Finish = Callable[..., None]


def picture(shade: int, form: str = "JPEG") -> bytes:
    """Return a small picture; another shade is another one."""
    told = io.BytesIO()
    Image.new("RGB", (40, 30), (shade % 256, shade // 256 % 256, 90)).save(told, form)
    return told.getvalue()


@pytest.fixture
def hand_in(engine: Engine, tmp_path: Path) -> HandIn:
    """Return a function that makes a batch of a catalogue that came as bytes, as the console and REST do."""

    def hand_in(data: bytes, *, name: str = "products.csv", reading: Reading | None = None) -> BatchRow:
        path = tmp_path / "came"
        path.write_bytes(data)
        options = BatchOptions(reading=reading or Reading())
        with engine.begin() as connection:
            rows = read_catalogue(path, options.reading)
            made = submit(connection, rows, name=name, source=f"api 1 {name}", options=options)
            catalogues.keep(connection, made.batch_id, name=name, data=data)
            return batches.require(connection, made.batch_id)

    return hand_in


@pytest.fixture
def finish(engine: Engine) -> Finish:
    """Return a function that makes jobs clean, each with a picture of its own."""

    def finish(job_ids: Sequence[int], form: str = "JPEG") -> None:
        with engine.begin() as connection:
            for job_id in job_ids:
                sha256 = artifacts.keep(connection, picture(job_id, form), image_format=form, width=40, height=30)
                connection.execute(
                    text(
                        "UPDATE jobs SET state = 'succeeded', code = '200', finished_at = now(), "
                        "artifact_sha256 = :sha256 WHERE id = :id"
                    ),
                    {"id": job_id, "sha256": sha256},
                )

    return finish
