"""The audit log's words lead to what they name."""

import pytest

from console.pages.places import places


@pytest.mark.parametrize(
    ("words", "action", "pieces"),
    [
        ("batch 7", "pause", [("batch 7", "/batches/7")]),
        ("connection 3", "close", [("connection 3", "/connections/3")]),
        ("as job 5 again", "redo", [("as ", ""), ("job 5", "/jobs/5"), (" again", "")]),
        ("the same photo as job 1", "", [("the same photo as ", ""), ("job 1", "/jobs/1")]),
        ("ann", "change role", [("ann", "/people")]),
        ("token ci", "make token", [("token ci", "/tokens")]),
        ("", "sign in", []),
        ("job 0 and batch 99999999999999999999", "", [("job 0 and batch 99999999999999999999", "")]),
    ],
)
def test_what_is_named_is_linked(words: str, action: str, pieces: list[tuple[str, str]]) -> None:
    assert places(words, action) == pieces
    assert "".join(text for text, _ in places(words, action)) == words
