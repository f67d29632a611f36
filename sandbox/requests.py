"""The parameters of a removal call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.answers import RefusalError
from sandbox.masks import read_runs

ELEMENTS = frozenset({1, 2, 3, 4})


@dataclass(frozen=True)
class ErasureRequest:
    """What a call asks for: either `image_url` or `image_base64` is set; a mask wins over both element sets."""

    image_url: str | None
    image_base64: str | None
    subject_elements: frozenset[int]
    other_elements: frozenset[int]
    mask_runs: list[tuple[int, int]] | None


def read_request(body: bytes, query: Mapping[str, str]) -> ErasureRequest:
    """Reads the JSON body, with the query's parameters under it.

    Raises:
        RefusalError: 700, with what is wrong.
    """
    values: dict[str, object] = dict(query)
    if body:
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise RefusalError(700, "the body is not JSON") from error
        if not isinstance(parsed, dict):
            raise RefusalError(700, "the body is not a JSON object")
        values.update(parsed)

    url = text_of(values, "image_url")
    base64 = text_of(values, "image_Base64") or text_of(values, "image_base64")
    if not url and not base64:
        raise RefusalError(700, "one of image_url and image_Base64 is required")
    mask = text_of(values, "mask")
    subject = elements_of(values, "object_remove_elements")
    others = elements_of(values, "non_object_remove_elements")
    if not mask:
        if subject is None:
            raise RefusalError(700, "object_remove_elements is required")
        if not subject and not others:
            raise RefusalError(
                700, "object_remove_elements and non_object_remove_elements cannot be empty at the same time"
            )
    return ErasureRequest(
        image_url=url or None,
        image_base64=None if url else base64,
        subject_elements=subject or frozenset(),
        other_elements=others or frozenset(),
        mask_runs=read_runs(mask) if mask else None,
    )


def text_of(values: Mapping[str, object], name: str) -> str:
    """A parameter as text without the space around it; raises RefusalError 700 when it is anything else."""
    value = values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RefusalError(700, f"{name} must be a string")
    return value.strip()


def elements_of(values: Mapping[str, object], name: str) -> frozenset[int] | None:
    """Takes an array, or an array written as a JSON string, as the vendor's samples do; raises RefusalError 700."""
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except (ValueError, RecursionError) as error:
            raise RefusalError(700, f"{name} is not a JSON array") from error
    if not isinstance(value, list):
        raise RefusalError(700, f"{name} must be an array")
    if any(type(item) is not int or item not in ELEMENTS for item in value):
        raise RefusalError(700, f"{name} may hold 1, 2, 3 and 4 only")
    return frozenset(value)
