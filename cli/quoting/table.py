"""A quote as people and programs read it."""

import json

from core.money import price_of
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
        }
    )


def as_table(quote: Quote, settings: Settings) -> str:
    """Return the table that `--dry-run` prints."""
    rows = [
        ("photos", quote.photos, ""),
        ("  duplicates", quote.duplicates, "the same photo again, called once"),
        ("  refused", quote.refused, "not called, not paid"),
        *((f"    {code}", refusal.count, _example(refusal)) for code, refusal in quote.refusals.items()),
        ("unique", quote.unique, ""),
        ("  already cleaned", quote.cleaned, _about_cleaned(quote)),
        ("  to be called", quote.to_call, _about_calls(quote)),
        ("    nothing on them", quote.bare, _about_bare(quote)),
        ("    to be fitted", quote.fitted, "made to fit the API's bounds, and put back after"),
        *((f"      {step}", count, "") for step, count in quote.steps.most_common()),
    ]
    width = max(len(name) for name, _, _ in rows)
    lines = [
        f"{name:<{width}} {count:>9,}  {note}".rstrip()
        for name, count, note in rows
        if count or name.strip() in {"photos", "unique", "to be called"}
    ]
    if quote.is_blind:
        lines.append(
            f"{'screen':<{width}} the extra look is not installed here: workers without it call for all photos"
        )
    lines.append(f"{'cost':<{width}} {_cost(quote, settings)}")
    lines.append(f"{'time':<{width}} about {about(quote.seconds)} at {quote.rate:g} calls/s")
    return "\n".join(lines)


def _example(refusal: Refusal) -> str:
    return f"{refusal.example}: {refusal.message}"


def _about_cleaned(quote: Quote) -> str:
    if not quote.cleaned_urls:
        return "not paid again"
    return f"not paid again; {quote.cleaned_urls:,} by their URLs, if the photos there are still the same"


def _about_bare(quote: Quote) -> str:
    saved = quote.bare_share * quote.to_call
    money = f", {saved * float(quote.price):.2f} {quote.currency}" if quote.price else ""
    how = "not calling for such photos" if quote.screen is Screen.SKIP else "--screen skip"
    return f"of {quote.looked:,} looked at; {how} saves about {saved:,.0f} calls{money}"


def _about_calls(quote: Quote) -> str:
    notes = []
    if quote.urls:
        notes.append(f"{quote.urls:,} are URLs, not fetched for this: checked and compared when they run")
    if quote.within_budget is not None and quote.within_budget < quote.to_call:
        notes.append(f"the budget allows {quote.within_budget:,} of them")
    return "; ".join(notes)


def _cost(quote: Quote, settings: Settings) -> str:
    told = price_of(quote.to_call, settings)
    if not quote.price:
        return told or "unknown: REMOVAL_PRICE is not set"
    return f"{told} ({quote.to_call:,} × {quote.price})"
