"""What PostgreSQL did to run a statement, as its `auto_explain` tells: the plan that ran, also in triggers."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg.errors import Diagnostic
from sqlalchemy import Connection, Engine, text

_SETTINGS = {
    "log_min_duration": "0",
    "log_analyze": "on",
    "log_buffers": "on",
    "log_timing": "off",
    "log_nested_statements": "on",
    "log_format": "json",
    "log_level": "notice",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How one statement was run."""

    statement: str
    milliseconds: float
    root: dict[str, Any]

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """All its steps."""
        return list(_walk(self.root))

    @property
    def buffers(self) -> int:
        """Pages of 8 KB that it looked at."""
        return int(self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"])

    @property
    def read_whole(self) -> set[str]:
        """Tables of which it read every row."""
        return {
            node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan" and node["Actual Loops"]
        }

    @property
    def most_sorted(self) -> int:
        """Rows of its largest sort."""
        return max((_rows_below(node) for node in self.nodes if "Sort" in node["Node Type"]), default=0)

    @property
    def most_passed_over(self) -> int:
        """Rows that a step found and threw away, in all its loops."""
        return max((_passed_over(node) for node in self.nodes), default=0)


def explained(engine: Engine, work: Callable[[Connection], object]) -> list[Plan]:
    """Run `work` in a transaction that is rolled back, and return the plan of each statement that ran in it."""
    found: list[Plan] = []

    def note(diagnostic: Diagnostic) -> None:
        message = diagnostic.message_primary or ""
        if message.startswith("duration:"):
            head, _, plan = message.partition("plan:")
            told = json.loads(plan)
            statement = " ".join(told["Query Text"].split())
            if not statement.startswith("SELECT set_config"):
                found.append(Plan(statement, float(head.split()[1]), told["Plan"]))

    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        connection.execute(text("LOAD 'auto_explain'"))
        for name, value in _SETTINGS.items():
            connection.execute(text(f"SET LOCAL auto_explain.{name} = '{value}'"))
        driver.add_notice_handler(note)
        try:
            work(connection)
            # What a statement did is told when its result is given up, for the next one.
            connection.execute(text("SELECT"))
        finally:
            driver.remove_notice_handler(note)
            connection.rollback()
    return found


def _walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for below in node.get("Plans", []):
        yield from _walk(below)


def _rows_below(node: dict[str, Any]) -> int:
    return max(int(below["Actual Rows"]) for below in node["Plans"])


def _passed_over(node: dict[str, Any]) -> int:
    told = sum(value for name, value in node.items() if name.startswith("Rows Removed by"))
    return int(told * node["Actual Loops"])
