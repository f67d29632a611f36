"""Webhooks over HTTP: what is signed is kept and becomes jobs, what is not is refused, and nothing twice."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest
from sqlalchemy import text
from standardwebhooks.webhooks import Webhook

from console.webhooks import MOST_BYTES
from core.content import content_key
from core.settings import SANDBOX_KEY
from core.states import Lane
from db import artifacts, cancels, connections, queue, requeues
from producer.webhooks.standard import MOST_SIGNATURES
from tests.console.conftest import PUBLIC_URL, MakeWeb, Web
from tests.db.rows import make_batch, put

SECRET = "a-secret"
STANDARD = f"whsec_{base64.b64encode(b'a key of two dozen bytes').decode()}"
A, B, C = (f"https://cdn.shop.example/{name}.jpg" for name in "abc")

Headers = dict[str, str]


def hmac_of(body: bytes, secret: str = SECRET) -> bytes:
    return hmac.new(secret.encode(), body, hashlib.sha256).digest()


def shopify(body: bytes, prefix: str = "X-Shopify-", secret: str = SECRET, **more: str) -> Headers:
    told = {"Topic": "products/update", "Webhook-Id": "w-1", "Shop-Domain": "a.myshopify.com", **more}
    signature = base64.b64encode(hmac_of(body, secret)).decode()
    return {f"{prefix}{name}": value for name, value in {**told, "Hmac-SHA256": signature}.items()}


def woocommerce(body: bytes, secret: str = SECRET) -> Headers:
    signature = base64.b64encode(hmac_of(body, secret)).decode()
    return {"X-WC-Webhook-Signature": signature, "X-WC-Webhook-Topic": "product.updated", "X-WC-Webhook-ID": "3"}


def standard(body: bytes, secret: str | bytes = STANDARD, message_id: str = "m-1", age: float = 0) -> Headers:
    at = int(time.time() - age)
    key = secret if isinstance(secret, bytes) else base64.b64decode(secret.removeprefix("whsec_"))
    made = base64.b64encode(hmac.new(key, f"{message_id}.{at}.".encode() + body, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{made}"}


def signed(body: bytes, secret: str = SECRET) -> Headers:
    return {"X-Signature": f"sha256={hmac_of(body, secret).hex()}"}


SHOPIFY_BODY = {
    "id": 1,
    "handle": "shoe",
    "variants": [{"sku": ""}, {"sku": "s-1"}],
    "images": [{"src": A}, {"src": B}],
}
WOO_BODY = {"id": 1, "sku": "s-1", "images": [{"src": A, "date_modified_gmt": "1"}, {"src": B}]}
PLAIN_BODY = {"type": "product.updated", "photos": [{"url": A, "sku": "s-1"}, B]}
S3_BODY = {
    "Records": [
        {
            "eventName": "s3:ObjectCreated:Put",
            "s3": {"bucket": {"name": "b"}, "object": {"key": "a%20b.jpg", "eTag": "1"}},
        },
        {"eventName": "s3:ObjectRemoved:Delete", "s3": {"bucket": {"name": "b"}, "object": {"key": "c.jpg"}}},
    ]
}

KINDS: dict[str, tuple[str, dict[str, Any], Callable[[bytes], Headers], list[str]]] = {
    "shopify": (SECRET, SHOPIFY_BODY, shopify, [A, B]),
    "shopify without X-": (SECRET, SHOPIFY_BODY, lambda body: shopify(body, "Shopify-"), [A, B]),
    "woocommerce": (SECRET, WOO_BODY, woocommerce, [A, B]),
    "standard": (STANDARD, {"type": "x", "data": PLAIN_BODY}, standard, [A, B]),
    "bigcommerce": (
        SECRET,
        {"scope": "store/product/updated", "data": {"type": "product", "id": 7}},
        lambda body: standard(body, SECRET.encode()),
        [],
    ),
    "s3": (SECRET, S3_BODY, lambda _: {"Authorization": f"Bearer {SECRET}"}, ["s3://b/a b.jpg"]),
    "json": (SECRET, PLAIN_BODY, signed, [A, B]),
}


def post(web: Web, slug: str, body: bytes, headers: Headers) -> httpx.Response:
    return web.client.post(f"/webhooks/{slug}", content=body, headers={"Content-Type": "application/json", **headers})


@pytest.mark.parametrize("kind", KINDS)
def test_a_signed_webhook_becomes_jobs_once(web: Web, kind: str) -> None:
    secret, content, sign, urls = KINDS[kind]
    body = json.dumps(content).encode()
    shop = web.connect(kind.split(maxsplit=1)[0], secret)
    first = post(web, shop.slug, body, sign(body))
    assert (first.status_code, first.json()) == (200, {"received": True, "new": True, "jobs": len(urls)})
    assert web.urls() == urls
    batches = web.rows("SELECT lane, state FROM batches")
    assert batches == [{"lane": "interactive", "state": "active"}] * bool(urls)
    products = web.rows("SELECT product FROM lookups")
    assert products == [{"product": "7"}] * (kind == "bigcommerce")
    again = post(web, shop.slug, body, sign(body))
    assert (again.status_code, again.json()["new"], again.json()["jobs"]) == (200, False, 0)
    assert web.urls() == urls
    assert web.rows("SELECT body, jobs FROM deliveries") == [{"body": body, "jobs": len(urls)}]


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_signature_is_refused_and_nothing_is_kept(web: Web, kind: str) -> None:
    secret, content, sign, _ = KINDS[kind]
    body = json.dumps(content).encode()
    shop = web.connect(kind.split(maxsplit=1)[0], secret)
    good = sign(body)
    signature = next(name for name in good if "signature" in name.lower() or "Hmac" in name or name == "Authorization")
    values = ("", "x", "v1,!!!", "v1", "A" + good[signature])
    bad = [{**good, signature: value} for value in values]
    if kind != "s3":
        bad.append(sign(body + b" "))
    bad.append({name: value for name, value in good.items() if name != signature})
    assert [post(web, shop.slug, body, headers).status_code for headers in bad] == [401] * len(bad)
    raw = [(name.encode(), b"\xc3\xa9" if name == signature else value.encode()) for name, value in good.items()]
    assert web.client.post(f"/webhooks/{shop.slug}", content=body, headers=raw).status_code == 401
    assert web.rows("SELECT 1 AS n FROM deliveries") == []


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"text"', b"[" * 100_000, b"\xff\xfe"])
@pytest.mark.parametrize("kind", ["shopify", "woocommerce", "json", "s3"])
def test_bad_json_with_a_good_signature_is_said(web: Web, kind: str, body: bytes) -> None:
    secret, _, sign, _ = KINDS[kind]
    shop = web.connect(kind, secret)
    assert post(web, shop.slug, body, sign(body)).status_code == 400


@pytest.mark.parametrize("photos", [5, {"url": A}, [5], [{"sku": "s"}], [{"url": ""}], [[]]])
def test_a_plain_body_with_bad_photos_is_said(web: Web, photos: object) -> None:
    body = json.dumps({"photos": photos}).encode()
    found = post(web, web.connect("json", SECRET).slug, body, signed(body))
    assert (found.status_code, "photos" in found.json()["detail"]) == (400, True)


def test_a_body_that_is_too_long_is_refused_before_it_is_read_whole(web: Web) -> None:
    shop = web.connect("json", SECRET)
    body = b" " * (MOST_BYTES + 1)
    assert post(web, shop.slug, body, signed(body)).status_code == 413

    def endless() -> Any:
        for _ in range(400):
            yield b" " * 10_000

    with suppress(httpx.WriteError):  # closed in the middle of it, which is as good
        assert web.client.post(f"/webhooks/{shop.slug}", content=endless()).status_code == 413


def test_unknown_and_closed_connections(web: Web) -> None:
    shop = web.connect("json", SECRET)
    assert post(web, "nobody", b"{}", signed(b"{}")).status_code == 404
    with web.engine.begin() as connection:
        assert connections.close(connection, shop.id)
    assert post(web, shop.slug, b"{}", signed(b"{}")).status_code == 404
    assert web.client.get(f"/webhooks/{shop.slug}").status_code == 405


def test_two_secrets_are_valid_while_they_are_changed(web: Web) -> None:
    shop = web.connect("json", "old")

    def allowed() -> list[str]:
        return [
            secret
            for secret in ("old", "new", "newest")
            if post(
                web, shop.slug, (body := secret.encode().join([b'{"x":"', b'"}'])), signed(body, secret)
            ).status_code
            == 200
        ]

    assert allowed() == ["old"]
    with web.engine.begin() as connection:
        connections.add_secret(connection, shop.id, "new")
    assert allowed() == ["old", "new"]
    with web.engine.begin() as connection:
        connections.add_secret(connection, shop.id, "newest")
    assert allowed() == ["new", "newest"]


def test_the_ping_of_woocommerce_wants_exactly_200(web: Web) -> None:
    shop = web.connect("woocommerce", SECRET)
    ping = web.client.post(f"/webhooks/{shop.slug}", data={"webhook_id": "17"})
    assert (ping.status_code, ping.json()["jobs"]) == (200, 0)
    assert web.client.post(f"/webhooks/{shop.slug}", content=b"webhook_id=17&x=1").status_code == 401


def test_standard_webhooks_of_another_time_and_several_signatures(web: Web) -> None:
    body = b'{"photos": []}'
    shop = web.connect("standard", STANDARD)
    assert post(web, shop.slug, body, standard(body, age=290)).status_code == 200
    assert post(web, shop.slug, body, standard(body, age=330, message_id="m-2")).status_code == 401
    assert post(web, shop.slug, body, standard(body, age=-330, message_id="m-3")).status_code == 401
    headers = standard(body, message_id="m-4")
    headers["webhook-signature"] = f"v2,x bad v1,!! {headers['webhook-signature']}"
    assert post(web, shop.slug, body, headers).status_code == 200
    Webhook(STANDARD).verify(body, standard(body))


def test_media_of_shopify_since_2024(web: Web) -> None:
    content = {
        "media": [
            {"media_content_type": "IMAGE", "preview_image": {"src": A}},
            {"media_content_type": "VIDEO", "preview_image": {"src": B}},
            {"media_content_type": "IMAGE", "preview_image": {"src": C}},
        ],
        "images": [{"src": A}],
    }
    body = json.dumps(content).encode()
    post(web, web.connect("shopify", SECRET).slug, body, shopify(body))
    assert web.urls() == [A, C]


def test_other_topics_make_no_jobs(web: Web) -> None:
    body = json.dumps(SHOPIFY_BODY).encode()
    shop = web.connect("shopify", SECRET)
    assert post(web, shop.slug, body, shopify(body, Topic="products/delete")).json()["jobs"] == 0


def test_a_photo_is_taken_once_however_often_its_product_changes(web: Web) -> None:
    shop = web.connect("json", SECRET)

    def send(*photos: object) -> int:
        body = json.dumps({"photos": photos, "at": time.time()}).encode()
        return int(post(web, shop.slug, body, signed(body)).json()["jobs"])

    assert send(A, B) == 2
    assert send(A, B, C) == 1
    assert send({"url": A, "version": "2"}) == 1
    assert send({"url": A, "version": "2"}) == 0
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE batches SET created_at = now() - interval '2 days', source_key = 'yesterday'"))
    assert send(A, B, C) == 0


def test_our_own_outputs_make_no_jobs_wherever_the_shop_put_them(web: Web) -> None:
    with web.engine.begin() as connection:
        sha256 = artifacts.keep(connection, b"clean", image_format="JPEG", width=1, height=1)
    copied = f"https://cdn.shopify.example/s/files/{sha256}_800x.jpg?v=1"
    other = f"https://cdn.shopify.example/s/files/{'0' * 64}.jpg"
    body = json.dumps({"photos": [f"{PUBLIC_URL}/{sha256[:2]}/{sha256}.jpg", copied, other]}).encode()
    shop = web.connect("json", SECRET)
    assert post(web, shop.slug, body, signed(body)).json()["jobs"] == 1
    assert web.urls() == [other]


def test_a_photo_that_was_cleaned_before_makes_no_job(web: Web) -> None:
    make_batch(web.engine, 2)
    everything = (1, 2, 3, 4)
    with web.engine.begin() as connection:
        for job_id, url, elements in ((1, A, everything), (2, B, (1,))):
            key = content_key(SANDBOX_KEY, "x", elements, everything, None)
            put(
                connection,
                "succeeded",
                f"id = {job_id}",
                source_uri=url,
                source_sha256="x",
                content_key=key,
                started_at="2026-05-05T12:00:00Z",
            )
    shop = web.connect("json", SECRET)
    photos: list[object] = [A, B]
    photos += [{"url": A, "version": version} for version in ("2026-05-05T11:59:59", "2026-05-05T12:00:01", "etag")]
    body = json.dumps({"photos": photos}).encode()
    assert post(web, shop.slug, body, signed(body)).json()["jobs"] == 3
    assert web.rows("SELECT source_uri FROM jobs WHERE id > 2 ORDER BY id") == [
        {"source_uri": B},
        {"source_uri": A},
        {"source_uri": A},
    ]


def test_what_else_changes_of_a_photo_of_shopify_makes_no_job(web: Web) -> None:
    shop = web.connect("shopify", SECRET)

    def send(url: str, at: str) -> int:
        body = json.dumps({"id": 1, "updated_at": at, "images": [{"src": url, "updated_at": at}]}).encode()
        headers = shopify(body, **{"Webhook-Id": f"{url} {at}"})
        return int(post(web, shop.slug, body, headers).json()["jobs"])

    assert send(f"{A}?v=17", "2026-01-01T00:00:00Z") == 1
    assert send(f"{A}?v=17", "2026-01-02T00:00:00Z") == 0
    assert send(f"{A}?v=18", "2026-01-03T00:00:00Z") == 1
    assert send(B, "2026-01-01T00:00:00Z") == 1
    assert send(B, "2026-01-02T00:00:00Z") == 1


def test_options_of_a_connection(web: Web) -> None:
    shop = web.connect("json", SECRET, elements=[1, 4], lane="bulk", match=r"/a\.jpg$")
    body = json.dumps(PLAIN_BODY).encode()
    post(web, shop.slug, body, signed(body))
    assert web.rows("SELECT source_uri, sku, elements, subject_elements FROM jobs") == [
        {"source_uri": A, "sku": "s-1", "elements": [1, 4], "subject_elements": [1, 4]}
    ]
    assert web.rows("SELECT lane FROM batches") == [{"lane": "bulk"}]


def test_the_same_webhook_many_times_at_once_makes_its_jobs_once(web: Web) -> None:
    body = json.dumps(PLAIN_BODY).encode()
    shop = web.connect("json", SECRET)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: post(web, shop.slug, body, signed(body)), range(16)))
    assert {response.status_code for response in found} == {200}
    assert sum(response.json()["jobs"] for response in found) == 2
    assert web.urls() == [A, B]


def test_a_batch_that_had_ended_goes_on(web: Web) -> None:
    shop = web.connect("json", SECRET)
    for url in (A, B):
        body = json.dumps({"photos": [url]}).encode()
        post(web, shop.slug, body, signed(body))
        with web.engine.begin() as connection:
            put(connection, "succeeded")
            connection.execute(text("UPDATE batches SET state = 'finished', finished_at = now()"))
    assert web.rows("SELECT count(*) AS n FROM batches") == [{"n": 1}]
    body = json.dumps({"photos": [C]}).encode()
    post(web, shop.slug, body, signed(body))
    assert web.rows("SELECT state FROM batches") == [{"state": "active"}]


def test_names_and_keys_that_no_database_takes(web: Web) -> None:
    shop = web.connect("json", SECRET)
    body = json.dumps(
        {"type": "a\x00\ud800", "photos": [{"url": "https://a.example/\x00\ud800.jpg", "sku": "\x00"}]}
    ).encode()
    headers = {**signed(body), "X-Delivery-Id": quote_plus("a\x00")}
    assert post(web, shop.slug, body, headers).status_code == 200


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "s3://bucket/a.jpg", f"upload:{'0' * 64}", "FILE:///a.jpg", "/a.jpg"]
)
def test_nobody_is_sent_to_what_only_we_may_read(web: Web, url: str) -> None:
    shop = web.connect("shopify", SECRET)
    body = json.dumps({"images": [{"src": url}]}).encode()
    assert post(web, shop.slug, body, shopify(body)).json()["jobs"] == 0
    plain = web.connect("json", SECRET)
    body = json.dumps({"photos": [url]}).encode()
    refused = post(web, plain.slug, body, signed(body))
    assert (refused.status_code, "http(s) URL" in refused.json()["detail"]) == (400, True)
    assert web.urls() == []


ODD: list[Any] = [None, True, 5.5, "x", [], {}, [[]], [None], {"a": 1}, "\ud800", "\x00", 10**400]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_fields_of_any_type_are_read_or_refused(web: Web, odd: object) -> None:
    asked: list[tuple[str, object]] = [
        *(("shopify", {"images": [{"src": A}], key: odd}) for key in ("images", "media", "variants", "handle")),
        *(("shopify", {"images": [{"src": A, key: odd}]}) for key in ("src", "updated_at")),
        *(("shopify", {"media": [{"src": A, key: odd}]}) for key in ("media_content_type", "preview_image", "src")),
        *(("woocommerce", {"images": [{"src": A}], key: odd}) for key in ("images", "sku", "id")),
        ("woocommerce", {"images": [{"src": A, "date_modified_gmt": odd}]}),
        ("bigcommerce", {"scope": odd, "data": {"id": 1}}),
        ("bigcommerce", {"scope": "store/product/updated", "data": {"id": odd}}),
        ("s3", {"Records": odd}),
        ("s3", {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": odd, "object": odd}}]}),
        ("json", {"photos": odd}),
        ("json", {"photos": [{"url": A, "sku": odd, "version": odd}]}),
        ("standard", {"data": {"photos": [odd]}}),
    ]
    shops = {kind: web.connect(kind, STANDARD if kind == "standard" else SECRET) for kind in dict(asked)}
    for number, (kind, content) in enumerate(asked):
        body = json.dumps(content).encode()
        signs: dict[str, Headers] = {
            "shopify": shopify(body, **{"Webhook-Id": str(number)}),
            "woocommerce": woocommerce(body),
            "bigcommerce": standard(body, SECRET.encode(), message_id=f"b-{number}"),
            "s3": {"Authorization": f"Bearer {SECRET}"},
            "json": signed(body),
            "standard": standard(body, message_id=f"s-{number}"),
        }
        assert post(web, shops[kind].slug, body, signs[kind]).status_code in {200, 400}, (kind, content)


@pytest.mark.parametrize("slug", ["%00", "%ff", "%ed%a0%80", "x" * 5000])
def test_an_odd_address_is_no_connection(web: Web, slug: str) -> None:
    assert web.client.post(f"/webhooks/{slug}", content=b"{}").status_code == 404


def test_ids_of_any_length_tell_repetitions(web: Web) -> None:
    shop = web.connect("json", SECRET)
    body = json.dumps({"type": "t" * 50_000, "photos": [{"url": A, "sku": "s" * 50_000}]}).encode()
    headers = {**signed(body), "X-Delivery-Id": secrets.token_hex(15_000)}
    assert [post(web, shop.slug, body, headers).json()["new"] for _ in range(2)] == [True, False]


@pytest.mark.parametrize("kind", ["standard", "bigcommerce"])
def test_what_is_no_text_is_no_json(web: Web, kind: str) -> None:
    shop = web.connect(kind, STANDARD if kind == "standard" else SECRET)
    body = b"\xff\xfe"
    headers = standard(body) if kind == "standard" else standard(body, SECRET.encode())
    assert post(web, shop.slug, body, headers).status_code == 400


def test_thousands_of_signatures_cost_nothing(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    verify = Webhook.verify

    def counted(self: Any, body: bytes, headers: dict[str, str], **more: Any) -> Any:
        tried.append(headers["webhook-signature"])
        return verify(self, body, headers, **more)

    monkeypatch.setattr(Webhook, "verify", counted)
    shop = web.connect("standard", STANDARD)
    body = b" " * 1_000_000
    headers = {**standard(body), "webhook-signature": ("v1,AAAA " * 7000).strip()}
    assert post(web, shop.slug, body, headers).status_code == 401
    assert len(tried) == MOST_SIGNATURES


def test_what_is_beside_our_outputs_is_not_ours(make_web: MakeWeb) -> None:
    web = make_web(artifact_public_url="https://cdn.example/clean", artifact_store="s3://bucket/clean")
    body = json.dumps({"photos": ["https://cdn.example/cleaning/mop.jpg", "https://cdn.example/clean/x.jpg"]}).encode()
    assert post(web, web.connect("json", SECRET).slug, body, signed(body)).json()["jobs"] == 1
    keys = ("clean/ab/x.jpg", "cleaning/mop.jpg")
    entries = [{"bucket": {"name": "bucket"}, "object": {"key": key, "eTag": "1"}} for key in keys]
    body = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": entry} for entry in entries]}).encode()
    post(web, web.connect("s3", SECRET, shop="bucket").slug, body, {"Authorization": f"Bearer {SECRET}"})
    assert web.urls() == ["https://cdn.example/cleaning/mop.jpg", "s3://bucket/cleaning/mop.jpg"]


@pytest.mark.parametrize(("elements", "subject"), [([1, 4], []), ([], [1])])
def test_nothing_to_take_off_is_a_choice_too(web: Web, elements: list[int], subject: list[int]) -> None:
    shop = web.connect("json", SECRET, elements=elements, subject_elements=subject)
    body = json.dumps({"photos": [A]}).encode()
    post(web, shop.slug, body, signed(body))
    assert web.rows("SELECT elements, subject_elements FROM jobs") == [
        {"elements": elements, "subject_elements": subject}
    ]


def test_the_same_secret_again_leaves_the_one_before_it(web: Web) -> None:
    shop = web.connect("json", "old")
    for _ in range(2):
        with web.engine.begin() as connection:
            connections.add_secret(connection, shop.id, "new")
    body = b'{"photos": []}'
    assert [post(web, shop.slug, body, signed(body, secret)).status_code for secret in ("old", "new")] == [200, 200]


def cancel(web: Web, batch_id: int = 1) -> None:
    with web.engine.begin() as connection:
        cancels.cancel(connection, batch_id)


def tell(web: Web, slug: str, *photos: str) -> int:
    """Tell of photos anew; return how many jobs that made."""
    body = json.dumps({"type": "x", "id": secrets.token_hex(4), "photos": list(photos)}).encode()
    return int(post(web, slug, body, signed(body)).json()["jobs"])


def test_a_photo_whose_batch_was_cancelled_is_taken_when_the_shop_tells_of_it_again(web: Web) -> None:
    shop = web.connect("json", SECRET)
    assert tell(web, shop.slug, A, B) == 2
    with web.engine.begin() as connection:
        put(connection, "succeeded", "id = 1")
    cancel(web)
    assert tell(web, shop.slug, A, B) == 1
    assert tell(web, shop.slug, A, B) == 0
    jobs = web.rows("SELECT batch_id, source_uri, state FROM jobs ORDER BY id")
    assert jobs[2:] == [{"batch_id": 2, "source_uri": B, "state": "pending"}]


def test_a_photo_that_was_cancelled_goes_on_in_its_batch_if_that_was_reopened(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancels, "AT_ONCE", 1)
    shop = web.connect("json", SECRET)
    assert tell(web, shop.slug, A, B, C) == 3
    with web.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET state = 'dead', code = '703', finished_at = now() WHERE id = 1"))
    cancel(web)
    with web.engine.begin() as connection:
        assert requeues.requeue_one(connection, 1)
    assert [row["state"] for row in web.rows("SELECT state FROM jobs ORDER BY id")][1:] in (
        ["cancelled", "pending"],
        ["pending", "cancelled"],
    )
    assert tell(web, shop.slug, A, B, C) == 2, "one was cancelled, one is about to be"
    with web.engine.begin() as connection:
        due = queue.queue_due(connection, Lane.INTERACTIVE, 10)
        assert sorted(job.id for job in due) == [1, 2, 3]
        assert cancels.cancel_stragglers(connection) == 0


def test_a_photo_of_another_batch_that_is_no_job_of_its_own_is_seen_as_that_one(web: Web) -> None:
    shop = web.connect("json", SECRET)
    assert tell(web, shop.slug, A) == 1
    with web.engine.begin() as connection:
        # As if it had been told of first while its photo was in work already.
        connection.execute(text("DELETE FROM seen_photos"))
    assert tell(web, shop.slug, A) == 0
    cancel(web)
    assert tell(web, shop.slug, A) == 1


def test_a_bucket_tells_of_its_own_objects_alone(web: Web) -> None:
    named = [("b", "in/a.jpg"), ("b", "out/a.jpg"), ("bb", "in/a.jpg"), ("B", "in/a.jpg"), ("other", "in/a.jpg")]
    entries = [{"bucket": {"name": bucket}, "object": {"key": key, "eTag": "1"}} for bucket, key in named]
    body = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": entry} for entry in entries]}).encode()
    for shop in ("b", "b/in/"):
        post(web, web.connect("s3", SECRET, shop=shop).slug, body, {"Authorization": f"Bearer {SECRET}"})
    assert web.urls() == ["s3://b/in/a.jpg", "s3://b/out/a.jpg", "s3://b/in/a.jpg"]
