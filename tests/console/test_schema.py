"""schemathesis asks the API whatever its own description allows, and much that it does not."""

from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import BaseModel
from schemathesis.specs.openapi.checks import positive_data_acceptance
from sqlalchemy import create_engine

from console.api.inputs import ApiRequest
from console.api.outputs import ApiAnswer
from console.app import make_app
from core.settings import Settings
from tests.console.conftest import Web
from tests.console.test_api import finish, token_of
from tests.db.rows import make_batch

EXAMPLES = 25

# Never connected to: only the description is read.
_app = make_app(create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"), Settings(_env_file=None))
SCHEMA = schemathesis.openapi.from_dict(_app.openapi()).include(path_regex="^/v1")
OPERATIONS: dict[str, Any] = {
    operation.label: operation for result in SCHEMA.get_all_operations() if (operation := cast(Any, result).ok())
}


@pytest.mark.parametrize("label", OPERATIONS)
def test_it_keeps_to_its_description(web: Web, label: str) -> None:
    make_batch(web.engine, 3)
    finish(web)
    headers = token_of(web.engine)
    # Which bytes are a catalogue cannot be described.
    not_asked = [positive_data_acceptance] if label.endswith("/catalogue") else []

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=OPERATIONS[label].as_strategy())
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=str(web.client.base_url), headers=headers, excluded_checks=not_asked)

    ask()


def test_every_route_is_asked() -> None:
    assert len(OPERATIONS) >= 14


def test_every_body_has_an_example_that_it_would_take() -> None:
    told = _app.openapi()["components"]["schemas"]
    shown = {name: schema for name, schema in told.items() if name.endswith(("In", "Out"))}
    without = {name for name, schema in shown.items() if "examples" not in schema}
    # These stand within others, and their fields have examples of their own.
    assert without == {"CallbackIn", "OptionsIn", "PhotoIn"}
    models = {each.__name__: each for each in _below(ApiRequest) + _below(ApiAnswer)}
    for name in shown.keys() - without:
        model = cast("Any", models[name])
        # In the document itself fields that are null are left out.
        [example] = model.model_config["json_schema_extra"]["examples"]
        assert model.model_validate(example).model_dump(mode="json", exclude_unset=True).keys() == example.keys()


def _below(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [found for each in model.__subclasses__() for found in (each, *_below(each))]
