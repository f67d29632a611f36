"""What was called, paid and saved, as a table for people and for programs."""

import csv
import io
from collections.abc import Sequence
from decimal import Decimal

from core.money import money
from core.settings import Settings
from core.shown import cell_for_spreadsheet
from db.costs import CostLine, CostsBy, Spending

NOTHING_BROUGHT_IT = "no connection"
COLUMNS = (
    *("name", "calls", "paid", "maybe_paid", "unpaid", "open", "cost", "maybe_cost"),
    *("reused", "saved_by_reuse", "skipped", "saved_by_screening", "currency", "is_free"),
)


def name_of(line: CostLine, by: CostsBy) -> str:
    """Return what people call a line."""
    if by is CostsBy.BATCH:
        return f"{line.label} #{line.key}"
    if by is CostsBy.CONNECTION:
        return f"{line.label} #{line.key}" if line.key else NOTHING_BROUGHT_IT
    return line.key


def saved(line: Spending, settings: Settings) -> tuple[Decimal, Decimal]:
    """Return what reuse and what screening saved, at the price of today."""
    return line.reused * settings.removal_price, line.skipped * settings.removal_price


def as_csv(lines: Sequence[CostLine], by: CostsBy, settings: Settings) -> str:
    """Return lines as a CSV file that spreadsheets open as it is; money is exact."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow((by.value, *COLUMNS))
    for line in lines:
        by_reuse, by_screening = saved(line, settings)
        writer.writerow(
            (
                cell_for_spreadsheet(line.key),
                cell_for_spreadsheet(name_of(line, by)),
                *(line.calls, line.paid, line.maybe_paid, line.unpaid, line.open),
                *(_plain(line.cost), _plain(line.maybe_cost)),
                *(line.reused, _plain(by_reuse), line.skipped, _plain(by_screening)),
                settings.removal_currency,
                "yes" if settings.is_free else "no",
            )
        )
    return file.getvalue()


def _plain(amount: Decimal) -> str:
    return money(amount, "").strip().replace(",", "")
