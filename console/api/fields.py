"""What requests and answers of the REST API have in common."""

from typing import Annotated, Any

from fastapi import Query
from pydantic import ConfigDict, Field, StringConstraints

MOST_ID = 2**63 - 1

BatchId = Annotated[int, Field(ge=1, le=MOST_ID)]
SubjectElements = Annotated[list[Annotated[int, Field(ge=1, le=4)]], Field(max_length=4, examples=[[1, 2, 3, 4]])]
Elements = Annotated[SubjectElements, Field(min_length=1)]
# PostgreSQL takes no NUL.
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500)]
DryRun = Annotated[bool, Query(description="Do nothing, and say what people are asked before it is done")]


def like(example: dict[str, Any]) -> ConfigDict:
    """Return what shows an example in the API's description."""
    return ConfigDict(json_schema_extra={"examples": [example]})
