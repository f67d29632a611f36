"""A quote as people and programs read it."""

import json
from decimal import Decimal

from core.figures import count, counted
from core.money import money, price_of
from core.settings import Settings
from core.states import Screen
from quote import Quote, Refusal
from quote.pace import about


def as_json(quote: Quote) -> str:
    """Return the one object that `--dry-run --json` prints."""
    refusals = [
        {"code": code, "count": refusal.count, "example": refusal.example, "message": refusal.message}
        for code, refusal in quote.refusals.items()
    ]
    return json.dumps(
        {
            "photos": quote.photos,
            "unique": quote.unique,
            "duplicates": quote.duplicates,
            "refused": quote.refused,
            "refusals": refusals,
            "already_cleaned": quote.cleaned,
            "already_cleaned_urls": quote.cleaned_urls,
            "to_call": quote.to_call,
            "urls": quote.urls,
            "price": float(quote.price),
            "currency": quote.currency,
            "cost": float(quote.cost),
            "rate": quote.rate,
            "seconds": quote.seconds,
            "within_budget": quote.within_budget,
            "looked": quote.looked,
            "bare": quote.bare,
            "blind": quote.is_blind,
            "fitted": quote.fitted,
            "fitting": dict(quote.steps),
            "losses": dict(quote.losses),
        }
    )


def as_table(quote: Quote, settings: Settings) -> str:
    """Return the table that `--dry-run` prints."""
    rows = [
        ("photos", quote.photos, ""),
        ("  duplicates", quote.duplicates, "the same photo again, paid for once"),
        ("  refused", quote.refused, "not called, not paid"),
        *((f"    {code}", refusal.count, _example(refusal)) for code, refusal in quote.refusals.items()),
        ("unique", quote.unique, ""),
        ("  already cleaned", quote.cleaned, _about_cleaned(quote)),
        ("  to call", quote.to_call, _about_calls(quote)),
        ("    nothing to remove", quote.bare, _about_bare(quote)),
        ("    to resize", quote.fitted, "resized to the API's limits, and restored afterwards"),
        *((f"      {step}", count, "") for step, count in quote.steps.most_common()),
        *((f"    {loss}", count, "") for loss, count in quote.losses.most_common()),
    ]
    width = max(len(name) for name, _, _ in rows)
    lines = [
        f"{name:<{width}} {number:>9,}  {note}".rstrip()
        for name, number, note in rows
        if number or name.strip() in {"photos", "unique", "to call"}
    ]
    if quote.is_blind:
        lines.append(
            f"{'screen':<{width}} the extra `look` is not installed here; workers without it process all photos"
        )
    lines.append(f"{'cost':<{width}} {_cost(quote, settings)}")
    lines.append(f"{'time':<{width}} about {about(quote.seconds)} at {quote.rate:g} calls/s")
    return "\n".join(lines)


def _example(refusal: Refusal) -> str:
    return f"{refusal.example}: {refusal.message}"


def _about_cleaned(quote: Quote) -> str:
    if not quote.cleaned_urls:
        return "not paid for again"
    return f"not paid for again; {count(quote.cleaned_urls)} of them by URL, if the photos there are unchanged"


def _about_bare(quote: Quote) -> str:
    saved = quote.bare_share * quote.to_call
    cost = f", {money(round(Decimal(saved) * quote.price, 2), quote.currency)}" if quote.price else ""
    how = "skipping them saves" if quote.screen is Screen.SKIP else "--screen skip would save"
    return f"of {count(quote.looked)} checked; {how} about {counted(round(saved), 'call')}{cost}"


def _about_calls(quote: Quote) -> str:
    notes = []
    if quote.urls:
        notes.append(f"{count(quote.urls)} as URLs, not downloaded for this; they are checked when they run")
    if quote.within_budget is not None and quote.within_budget < quote.to_call:
        notes.append(f"the budget allows {count(quote.within_budget)}")
    return "; ".join(notes)


def _cost(quote: Quote, settings: Settings) -> str:
    told = price_of(quote.to_call, settings)
    if not quote.price:
        return told or "unknown: REMOVAL_PRICE is not set"
    return f"{told} ({count(quote.to_call)} × {money(quote.price, quote.currency)})"
