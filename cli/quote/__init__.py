"""What a batch would cost, before anything is paid for."""

from cli.quote.counting import Quote, Refusal, make_quote
from cli.quote.telling import as_json, as_table

__all__ = ["Quote", "Refusal", "as_json", "as_table", "make_quote"]
