"""Each alert leads to a section that says what it means, and the dashboard says what is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.group import COMMANDS

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/dashboards/cleanplate.json").read_text())
STATS = [panel for panel in DASHBOARD["panels"] if panel["type"] == "stat"]


def test_every_alert_has_a_section_and_every_section_an_alert() -> None:
    assert list(SECTIONS) == [rule["alert"] for rule in RULES]
    for name, words in SECTIONS.items():
        assert re.findall(r"^\*\*(.*?):\*\*", words, re.MULTILINE) == ["Means", "Look at", "Do"], name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alerts_link_leads_to_its_section(rule: dict[str, Any]) -> None:
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert (ROOT / path).is_file()
    # As a heading is linked to where such files are shown.
    assert [
        name for name in re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.MULTILINE) if name.lower() == anchor
    ]
    assert anchor == rule["alert"].lower()


def test_what_the_runbook_names_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)", RUNBOOK):
        assert (ROOT / "docs" / target).exists(), target
    named = set(re.findall(r"`cleanplate ([a-z]+)", RUNBOOK))
    assert named
    assert named <= set(COMMANDS)
    source = (ROOT / "README.md").read_text()
    for metric in set(re.findall(r"cleanplate_[a-z_]+", RUNBOOK)):
        assert metric in source, metric
    for setting in set(re.findall(r"`([A-Z]{4,}_[A-Z_]+)`", RUNBOOK)):
        assert f"`{setting}`" in source, setting


@pytest.mark.parametrize("panel", STATS, ids=lambda panel: panel["title"])
def test_a_figure_has_a_colour_and_says_what_it_is(panel: dict[str, Any]) -> None:
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["color"] == {"mode": "thresholds"}
    values = [step["value"] for step in defaults["thresholds"]["steps"]]
    assert values[0] is None
    assert values[1:] == sorted(values[1:])
    assert panel["description"]
    for name in re.findall(r"docs/runbook\.md, (\w+)", panel["description"]):
        assert name in SECTIONS


def test_an_open_circuit_is_red_and_called_what_it_is() -> None:
    [panel] = [panel for panel in STATS if "cleanplate_circuit_open" in panel["targets"][0]["expr"]]
    [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"]["0"]["text"] == "OK"
    assert mapping["options"]["1"]["color"] == "red"
    assert panel["options"]["colorMode"] == "background"


def test_variables_are_there_and_used() -> None:
    there_are = {each["name"] for each in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?([a-z]+)\}?", json.dumps(DASHBOARD["panels"])))
    assert used == there_are == {"datasource", "lane"}
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_money_is_told_in_the_currency_of_calls() -> None:
    [panel] = [panel for panel in STATS if "cleanplate_cost_today" in panel["targets"][0]["expr"]]
    assert panel["targets"][0]["legendFormat"] == "{{currency}}"
    units = {each["matcher"]["options"]: each["properties"][0]["value"] for each in panel["fieldConfig"]["overrides"]}
    assert units["EUR"] == "currencyEUR"
    assert panel["fieldConfig"]["defaults"]["decimals"] == 2
