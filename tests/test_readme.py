"""The README's tables are those of the program."""

import re
from pathlib import Path

import pytest

from cli.group import cleanplate
from core.settings import Settings

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
SETTINGS = dict(re.findall(r"^\| `([A-Z0-9_]+)` \| (.*?) \|", README, re.MULTILINE))


def test_every_setting_is_in_the_table_and_no_other() -> None:
    assert set(SETTINGS) == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_its_default_is_true(name: str) -> None:
    default = Settings.model_fields[name].default
    told = SETTINGS[name.upper()].strip("`")
    if isinstance(default, bool):
        assert told == str(default).lower()
    elif isinstance(default, int | float):
        assert float(told) == default
    elif isinstance(default, str) and default:
        assert told == str(default)


def test_every_command_is_in_the_table() -> None:
    section = README[README.index("## Commands") : README.index("| exit code")]
    told = set(re.findall(r"`([a-z]+)", section))
    assert set(cleanplate.commands) - {"demo"} <= told
