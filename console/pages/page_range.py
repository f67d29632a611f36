"""Where a page of a long list lies: which of how many it shows, and what comes before and after it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageRange:
    """A page of a list.

    Args:
        at: How many come before it.
        shown: How many it shows.
        total: How many there are, or were counted.
        size: How many a page shows at most.
        is_more: Whether there are more than were counted.
    """

    at: int
    shown: int
    total: int
    size: int
    is_more: bool = False

    @property
    def words(self) -> str:
        """Which of how many, as people say it."""
        whole = f"more than {self.total:,}" if self.is_more else f"{self.total:,}"
        if not self.shown or (self.shown == self.total and not self.is_more):
            return whole
        return f"{self.at + 1:,}–{self.at + self.shown:,} of {whole}"

    @property
    def previous(self) -> int | None:
        """How many come before the page before; None on the first."""
        return max(0, self.at - self.size) if self.at else None

    @property
    def following(self) -> int | None:
        """How many come before the next page; None on the last."""
        end = self.at + self.shown
        return end if self.shown and (end < self.total or (self.is_more and self.shown == self.size)) else None
