"""The table in docs/scaling.md is what `cleanplate plan` reckons."""

from bench import scaling


def test_the_page_has_the_table_that_follows_from_the_figures() -> None:
    assert scaling.read() == scaling.table(), "python -m bench.results writes it anew"
