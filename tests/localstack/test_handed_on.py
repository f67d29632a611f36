"""What `run` and `up` start reads exactly the settings they have, whichever are set."""

from decimal import Decimal
from pathlib import Path

import pytest

from core.settings import Settings, load_settings
from localstack.roles import Endpoints, make_environment

MONEY = {"removal_price": Decimal("0.02"), "removal_currency": "EUR", "removal_daily_calls": 7}


@pytest.mark.parametrize("given", [{}, MONEY, {"removal_daily_calls": 0}], ids=["nothing set", "money", "none today"])
def test_children_read_what_we_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, object]) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    ours = load_settings(**given)
    environment = make_environment(ours, Endpoints("", "", ""))
    for name in Settings.model_fields:
        monkeypatch.setenv(name.upper(), environment[name.upper()])
    theirs = load_settings()
    assert theirs == ours.model_copy(update={"cleanplate_home": ours.cleanplate_home.resolve()})
