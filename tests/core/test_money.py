"""Amounts of money."""

import pytest

from core.errors import UsageError
from core.money import money, read_amount


@pytest.mark.parametrize(
    ("told", "shown"),
    [("12.5", "12.50 USD"), ("0.000001", "0.000001 USD"), ("1e3", "1,000.00 USD"), ("-0", "0.00 USD")],
)
def test_an_amount_is_shown_as_people_read_it(told: str, shown: str) -> None:
    assert money(read_amount(told), "USD") == shown


@pytest.mark.parametrize("told", ["", "x", "-1", "nan", "inf", "0.0000001", "1e13"])
def test_what_is_no_amount_is_refused(told: str) -> None:
    with pytest.raises(UsageError):
        read_amount(told)
