"""What a batch would cost, before anything is paid for."""

from quote.estimate import make_quote
from quote.offer import Quote, Refusal

__all__ = ["Quote", "Refusal", "make_quote"]
