"""What a batch would cost, before anything is paid for."""

from quote.counting import Quote, Refusal, make_quote

__all__ = ["Quote", "Refusal", "make_quote"]
