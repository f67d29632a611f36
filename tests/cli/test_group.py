"""The command itself: what its help says, and what it makes of a slip."""

import pytest
from click.testing import CliRunner

from cli.group import COMMANDS, GROUPS, cleanplate
from sandbox.faults import NAMED
from sandbox.main import EPILOG


def ask(*words: str) -> str:
    return CliRunner().invoke(cleanplate, words, terminal_width=100).output


def test_help_tells_every_command_once_and_whole() -> None:
    told = ask("--help")
    # A mask's own dots are no cut.
    assert told.count("...") == len(["[ARGS]...", "length ...`"])
    assert all(f"\n{title}:\n" in told for title in GROUPS)
    assert sum(map(len, GROUPS.values())) == len(COMMANDS)
    assert all(told.count(f"\n  {name} ") == 1 for name in COMMANDS)


@pytest.mark.parametrize(("typed", "meant"), [("runn", "run"), ("stauts", "status"), ("requeu", "retry")])
def test_a_slip_is_answered_with_what_was_meant(typed: str, meant: str) -> None:
    assert f"There is no command '{typed}'. Did you mean `{meant}`?" in ask(typed)


def test_what_is_like_nothing_is_only_said_not_to_be_there() -> None:
    assert "There is no command 'frobnicate'.\n" in ask("frobnicate")


def test_the_sandbox_names_its_faults() -> None:
    assert all(name in EPILOG for name in NAMED)
