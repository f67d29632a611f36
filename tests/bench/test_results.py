"""What was measured is kept by section, and written down as tables and plots."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import plots, record, results, scaling
from bench.figures import Figures

SIDE: Figures = {
    "rate": 0.0,
    "processes": 2,
    "threads": 50,
    "photos_per_second": 60.5,
    "quota_used": None,
    "refused": 0,
    "cpu_ms_together": 20.4,
    "worker": {"cpu_ms": 19.0},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(record, "FILE", tmp_path / "measured.json")
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(scaling, "PAGE", tmp_path / "scaling.md")
    scaling.PAGE.write_text("<!-- table -->\nold\n<!-- end of table -->\n")
    return tmp_path


def test_a_section_is_kept_once_it_is_whole(folder: Path) -> None:
    assert list(record.keep("beside", [("ours", {"a": 1})])) == [("ours", {"a": 1})]
    next(iter(record.keep("growth", [("intake", {}), ("size", {})])))
    kept = record.read()
    assert set(kept) == {"beside"}
    assert kept["beside"]["rows"] == [{"measurement": "ours", "a": 1}]
    assert {"machine", "commit", "on", "python", "load"} <= set(kept["beside"])
    assert (folder / "measured.json").exists()


def test_the_page_has_what_was_measured_and_what_was_not_as_a_dash(folder: Path) -> None:
    list(record.keep("beside", [(side, {"side": side, **SIDE}) for side in ("bare", "ours")]))
    backlog = {"pending": 1000, "statistics": "fresh", "pick_ms": 20.6, "status_ms": "over 20 s"}
    list(record.keep("growth", [("intake", {"pending": 1000, "rows_per_second": 25000}), ("backlog", backlog)]))
    cell: Figures = {"side": "ours", **SIDE}
    list(record.keep("versus", [("ceiling", cell), ("50/s, 1 s", cell | {"failed": "Error"})]))
    results.write()
    page = (folder / "RESULTS.md").read_text(encoding="utf-8")
    assert "| photos/s | 60.5 | 60.5 |" in page
    assert "| refused | 0 | 0 |" in page
    assert "| quota used | – | – |" in page
    assert "over 20 s" in page
    assert "| 50/s, 1 s | failed |" in page
    for name in ("cpu.svg", "growth.svg"):
        assert f"({name})" in page
        ElementTree.parse(folder / name)
    assert "old" not in scaling.PAGE.read_text()


def test_plots_are_whatever_comes() -> None:
    for svg in (
        plots.bars("a < b", "ms", {}),
        plots.lines("t", "x", {}),
        plots.lines("t", "x", {"a": [(1, 0), (10, 5)]}),
    ):
        ElementTree.fromstring(svg)
