"""What requests and answers look like, for the API's description."""

from typing import Any

COUNTS: dict[str, Any] = {
    "total": 960,
    "pending": 310,
    "queued": 20,
    "running": 5,
    "succeeded": 610,
    "dead": 11,
    "held": 4,
    "cancelled": 0,
    "reused": 37,
    "retries": 9,
    "calls": 606,
    "throttled": 2,
    "maybe_billed": 1,
}
BATCH: dict[str, Any] = {
    "id": 7,
    "name": "Spring catalogue",
    "lane": "bulk",
    "state": "active",
    "pause_reason": None,
    "max_calls": 1000,
    "max_cost": None,
    "counts": COUNTS,
    "screen": "skip",
    "bare": 211,
    "skipped": 211,
    "eta_seconds": 67,
}
MADE: dict[str, Any] = {"id": 7, "added": 960, "resumed": False, "unreadable": 0}
JOB: dict[str, Any] = {
    "id": 4711,
    "batch_id": 7,
    "state": "succeeded",
    "image_url": "https://shop.example/a.jpg",
    "name": "a.jpg",
    "sku": "s-1",
    "code": "200",
    "message": None,
    "attempts": 1,
    "reused_from": None,
    "changed_ratio": 0.042,
    "artifact_url": "https://clean.shop.example/artifacts/2d/2d711642b726b04401627ca9fbac32f5.jpg",
    "created_at": "2026-11-23T08:00:00Z",
    "finished_at": "2026-11-23T08:00:03Z",
}
ATTEMPT: dict[str, Any] = {
    "id": 9001,
    "sent_at": "2026-11-23T08:00:01Z",
    "answered_at": "2026-11-23T08:00:02Z",
    "answer_class": "success",
    "code": "200",
    "message": "ok",
    "http_status": 200,
    "request_id": "0bb0657317",
    "latency_seconds": 1.1,
    "spend": "paid",
    "price": "0.02",
    "is_free": False,
    "counted": True,
    "worker": "shop-1-worker-1",
    "raw": None,
}
QUOTE: dict[str, Any] = {
    "photos": 960,
    "unique": 921,
    "already_cleaned": 400,
    "to_call": 521,
    "price": "0.02",
    "currency": "USD",
    "cost": "10.42",
    "rate": 5.0,
    "seconds": 105,
}
LEDGER_LINE: dict[str, Any] = {
    "day": "2026-11-23",
    "batch_id": 7,
    "calls": 606,
    "paid": 604,
    "maybe_paid": 1,
    "unpaid": 1,
    "open": 0,
    "reused": 37,
    "cost": "12.10",
    "codes": {"200": 604, "801": 1, "read_timeout": 1},
}
LIMITER: dict[str, Any] = {
    "configured_rate": 5.0,
    "learned_rate": 5.0,
    "closed_for_seconds": 0.0,
    "reserved_ahead_seconds": 1.4,
    "waiting": 7,
    "ok": 604,
    "throttled": 2,
    "failed": 1,
    "latency_seconds": 1.1,
}
ASKED: dict[str, Any] = {
    "question": "Requeue 312 dead photos of batch 7? Up to 312 paid calls, 6.24 USD.",
    "photos": 312,
    "calls": 312,
    "cost": "6.24",
    "currency": "USD",
}
CHANGED: dict[str, Any] = {"changed": 312}
DRY_RUN: dict[str, Any] = {"changed": 0, "asked": ASKED}
BATCH_IN: dict[str, Any] = {
    "name": "Spring catalogue",
    "photos": [
        {"image_url": "https://shop.example/a.jpg", "sku": "s-1"},
        {"image_url": "https://shop.example/b.jpg", "elements": [1, 4]},
    ],
    "options": {"lane": "interactive", "max_calls": 1000},
}
