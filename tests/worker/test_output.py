"""Which outputs a person has to see."""

import pytest

from worker.output import HOLD_CHANGED_ABOVE, HOLD_UNCHANGED_BELOW, Output, doubt_about


def output(ratio: float, outside: float | None = None) -> Output:
    inside = None if outside is None else 0.5
    return Output(b"", "JPEG", 600, 600, ratio, 0, changed_inside=inside, changed_outside=outside)


@pytest.mark.parametrize(
    ("ratio", "outside", "code"),
    [
        (0.0, None, "unchanged"),
        (0.0, 0.0, "unchanged"),
        (4 / 140_625, None, None),
        (0.003, None, None),
        (0.9, None, None),
        (0.91, None, "changed_too_much"),
        (1.0, 0.0, None),
        (0.95, 0.91, "changed_outside"),
        (0.5, 0.6, None),
    ],
)
def test_table(ratio: float, outside: float | None, code: str | None) -> None:
    found = doubt_about(output(ratio, outside), unchanged_below=HOLD_UNCHANGED_BELOW, changed_above=HOLD_CHANGED_ABOVE)
    assert (found.code if found else None) == code
    if found:
        assert "accept it, or reject it" in found.message


@pytest.mark.parametrize(("ratio", "outside"), [(0.0, None), (1.0, None), (1.0, 1.0)])
def test_both_limits_can_be_switched_off(ratio: float, outside: float | None) -> None:
    assert doubt_about(output(ratio, outside), unchanged_below=0, changed_above=1) is None
