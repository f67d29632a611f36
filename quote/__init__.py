"""What a batch would cost, before anything is paid for."""

from quote.estimate import Quote, Refusal, make_quote

__all__ = ["Quote", "Refusal", "make_quote"]
