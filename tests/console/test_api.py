"""The REST API over HTTP: what it makes, shows and steers, who may, and what it says when it cannot."""

import asyncio
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from console import limits
from core.settings import load_settings
from db import artifacts, batches, tokens, uploads
from db.tokens import Scope
from exporting.named_urls import clean_url
from tests.console.conftest import PUBLIC_URL, MakeWeb, Web
from tests.db.rows import claim, make_batch, put

A, B = "https://shop.example/a.jpg", "https://shop.example/b.jpg"


def token_of(engine: Engine, *scopes: Scope) -> dict[str, str]:
    """Return the headers of a new token; with all scopes, unless told."""
    with engine.begin() as connection:
        _, made = tokens.create(connection, name="t", scopes=list(scopes or Scope))
    return {"Authorization": f"Bearer {made}"}


@pytest.fixture
def api(web: Web) -> httpx.Client:
    web.client.headers.update(token_of(web.engine))
    web.client.base_url = web.client.base_url.join("/v1/")
    return web.client


def problem(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    told = response.json()
    assert (told["status"], told["type"]) == (status, "about:blank")
    assert told["title"]
    return str(told["detail"])


def made(api: httpx.Client, *urls: str, **more: Any) -> Any:
    response = api.post("batches", json={"photos": [{"image_url": url} for url in urls or (A, B)], **more})
    assert response.status_code == 201, response.text
    return response.json()


def test_a_batch_of_urls(api: httpx.Client) -> None:
    found = made(api, A, B, A, name="Spring", options={"elements": [1, 4], "lane": "interactive", "max_calls": 5})
    assert found == {"id": 1, "added": 2, "resumed": False, "unreadable": 0}
    shown = api.get("batches/1").json()
    assert (shown["name"], shown["lane"], shown["state"], shown["max_calls"]) == ("Spring", "interactive", "active", 5)
    assert (shown["counts"]["total"], shown["counts"]["pending"], shown["eta_seconds"]) == (2, 2, None)
    assert [batch["id"] for batch in api.get("batches").json()["batches"]] == [1]
    jobs = api.get("batches/1/jobs").json()
    assert [job["image_url"] for job in jobs["jobs"]] == [A, B]
    assert jobs["next_cursor"] is None


def test_what_a_photo_says_wins(api: httpx.Client, web: Web) -> None:
    photo = {"image_url": A, "sku": "s-1", "elements": [2], "subject_elements": [], "mask": "5 10"}
    assert api.post("batches", json={"photos": [photo]}).status_code == 201
    assert web.rows("SELECT sku, elements, subject_elements, mask FROM jobs") == [
        {"sku": "s-1", "elements": [2], "subject_elements": [], "mask": "5 10"}
    ]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "photos"),
        ({"photos": []}, "photos"),
        ({"photos": [{"image_url": "file:///etc/passwd"}]}, "image_url"),
        ({"photos": [{"image_url": "ftp://a.example/a.jpg"}]}, "image_url"),
        ({"photos": [{"image_url": A, "elements": [5]}]}, "elements"),
        ({"photos": [{"image_url": A, "mask": "all"}]}, "mask"),
        ({"photos": [{"image_url": A}], "options": {"lane": "fast"}}, "lane"),
        ({"photos": [{"image_url": A, "elements": [], "subject_elements": []}]}, "elements"),
        ({"photos": [{"image_url": A}], "elments": [1]}, "elments"),
    ],
)
def test_what_cannot_be_used_is_said(api: httpx.Client, asked: dict[str, Any], words: str) -> None:
    assert words in problem(api.post("batches", json=asked), 422)
    assert api.get("batches").json()["batches"] == []


def test_a_cost_limit_without_a_price(api: httpx.Client) -> None:
    asked = {"photos": [{"image_url": A}], "options": {"max_cost": 5}}
    assert "REMOVAL_PRICE" in problem(api.post("batches", json=asked), 409)


def test_no_json_and_the_wrong_type(api: httpx.Client) -> None:
    problem(api.post("batches", content=b"{", headers={"Content-Type": "application/json"}), 422)
    problem(api.post("batches", content=b"<xml/>", headers={"Content-Type": "application/xml"}), 415)
    problem(api.post("batches", content=b'{"photos": []}', headers={"Content-Type": "text/plain"}), 415)
    problem(api.put("batches"), 405)
    problem(api.get("nothing"), 404)


def test_the_same_request_twice_takes_effect_once(api: httpx.Client, web: Web) -> None:
    asked = {"photos": [{"image_url": A}]}
    key = {"Idempotency-Key": "k-1"}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: api.post("batches", json=asked, headers=key), range(8)))
    assert {(response.status_code, response.text) for response in found} == {(201, found[0].text)}
    assert web.rows("SELECT count(*) AS n FROM batches") == [{"n": 1}]
    assert "another request" in problem(api.post("batches", json={"photos": [{"image_url": B}]}, headers=key), 409)
    other = token_of(web.engine)
    assert api.post("batches", json={"photos": [{"image_url": B}]}, headers={**key, **other}).status_code == 201


def test_a_request_that_failed_can_be_made_again(api: httpx.Client, web: Web) -> None:
    key = {"Idempotency-Key": "k-1"}
    problem(api.post("batches/7/pause", headers=key), 404)
    make_batch(web.engine, 1)
    assert api.post("batches/1/pause", headers=key).json() == {"changed": 1}
    assert api.post("batches/1/resume").json() == {"changed": 1}
    assert api.post("batches/1/pause", headers=key).json() == {"changed": 1}, "the answer of the first time"
    assert web.rows("SELECT state FROM batches") == [{"state": "active"}]


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [(Scope.READ, {"read"}), (Scope.SUBMIT, {"submit"}), (Scope.OPERATE, {"operate"})],
)
def test_a_token_allows_what_its_scopes_say(web: Web, scope: Scope, allowed: set[str]) -> None:
    make_batch(web.engine, 1)
    headers = token_of(web.engine, scope)
    asked = {
        "read": web.client.get("/v1/batches/1", headers=headers),
        "submit": web.client.post("/v1/batches", json={"photos": [{"image_url": A}]}, headers=headers),
        "operate": web.client.post("/v1/batches/1/pause", headers=headers),
    }
    assert {name for name, response in asked.items() if response.status_code < 300} == allowed
    assert {response.status_code for name, response in asked.items() if name not in allowed} == {403}


def test_without_a_valid_token_nothing_is_told(web: Web) -> None:
    headers = token_of(web.engine)
    with web.engine.begin() as connection:
        assert tokens.revoke(connection, 1)
    for given in ("", headers["Authorization"], "Bearer x", "Basic eDp5"):
        response = web.client.get("/v1/batches", headers={"Authorization": given} if given else {})
        problem(response, 401)
        assert response.headers["www-authenticate"].startswith("Bearer")
    made = headers["Authorization"].removeprefix("Bearer ")
    assert web.rows("SELECT hash FROM tokens") == [{"hash": hashlib.sha256(made.encode()).hexdigest()}]


def test_jobs_by_state_code_and_sku_a_page_at_a_time(api: httpx.Client, web: Web) -> None:
    make_batch(web.engine, 25)
    with web.engine.begin() as connection:
        put(connection, "dead", "id % 2 = 0", code="801", sku="s")
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(
            "batches/1/jobs", params={"state": "dead", "code": "801", "sku": "s", "limit": 5, "cursor": cursor}
        )
        found += [job["id"] for job in page.json()["jobs"]]
        cursor = page.json()["next_cursor"]
    assert found == list(range(2, 26, 2))
    assert api.get("batches/1/jobs", params={"code": "900"}).json()["jobs"] == []
    problem(api.get("batches/1/jobs", params={"cursor": "x"}), 422)
    problem(api.get("batches/1/jobs", params={"state": "lost"}), 422)
    problem(api.get("batches/7/jobs"), 404)


def test_steering_a_batch(api: httpx.Client, web: Web) -> None:
    make_batch(web.engine, 3)
    assert api.post("batches/1/pause").json() == {"changed": 1}
    assert api.get("batches/1").json()["pause_reason"] == "hand"
    assert api.post("batches/1/resume").json() == {"changed": 1}
    with web.engine.begin() as connection:
        put(connection, "dead", "id = 1", code="801")
    assert api.post("batches/1/requeue", json={"code": "900"}).json() == {"changed": 0}
    assert api.post("batches/1/requeue", json={"code": "801"}).json() == {"changed": 1}
    assert api.post("batches/1/cancel").json() == {"changed": 3}
    assert api.post("batches/1/cancel").json() == {"changed": 0}


def finish(web: Web, data: bytes = b"0123456789") -> None:
    """Give job 1 an output."""
    with web.engine.begin() as connection:
        sha256 = artifacts.keep(connection, data, image_format="PNG", width=1, height=1)
        put(connection, "succeeded", "id = 1", artifact_sha256=sha256)


def test_one_job_with_its_attempts(api: httpx.Client, web: Web) -> None:
    [job_id] = make_batch(web.engine, 1, queued=True)
    claim(web.engine, job_id)
    with web.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO attempts (job_id, batch_id, lease_token, worker, answered_at, code, answer_class, raw) "
                "SELECT id, batch_id, lease_token, 'w', now(), '801', 'provider_fault', 'model failed' FROM jobs"
            )
        )
    finish(web)
    found = api.get("jobs/1").json()
    assert (found["state"], [each["code"] for each in found["history"]]) == ("succeeded", ["801"])
    assert found["history"][0]["raw"] == "model failed"
    sha256 = hashlib.sha256(b"0123456789").hexdigest()
    assert found["artifact_url"] == f"{PUBLIC_URL}/{sha256[:2]}/{sha256}.png"
    problem(api.get("jobs/2"), 404)


def test_an_output_whole_in_part_and_as_one_has_it(api: httpx.Client, web: Web) -> None:
    make_batch(web.engine, 1)
    assert "no clean photo" in problem(api.get("jobs/1/artifact"), 404)
    finish(web)
    whole = api.get("jobs/1/artifact")
    assert (whole.content, whole.headers["content-type"], whole.headers["accept-ranges"]) == (
        b"0123456789",
        "image/png",
        "bytes",
    )
    assert api.get("jobs/1/artifact", headers={"If-None-Match": whole.headers["etag"]}).status_code == 304
    for asked, status, data, told in [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=0-99", 206, b"0123456789", "bytes 0-9/10"),
        (f"bytes={'9' * 5000}-", 200, b"0123456789", None),
        ("bytes=4-2", 200, b"0123456789", None),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
        ("lines=1-2", 200, b"0123456789", None),
    ]:
        part = api.get("jobs/1/artifact", headers={"Range": asked})
        assert (part.status_code, part.content, part.headers.get("content-range")) == (status, data, told), asked
    for asked in ("bytes=10-", "bytes=-0"):
        none = api.get("jobs/1/artifact", headers={"Range": asked})
        assert "10 bytes" in problem(none, 416)
        assert none.headers["content-range"] == "bytes */10"
    for etag, status in ((whole.headers["etag"], 206), ('"another"', 200)):
        part = api.get("jobs/1/artifact", headers={"Range": "bytes=2-4", "If-Range": etag})
        assert part.status_code == status
    assert whole.headers["cache-control"] == "private, no-cache"


def test_outputs_under_urls_that_cannot_be_guessed(make_web: MakeWeb) -> None:
    web = make_web(artifact_url_secret="s", artifact_public_url="/artifacts")
    make_batch(web.engine, 1)
    finish(web)
    url = web.client.get("/v1/jobs/1", headers=token_of(web.engine)).json()["artifact_url"]
    found = web.client.get(url)
    assert (found.content, "immutable" in found.headers["cache-control"]) == (b"0123456789", True)
    head = web.client.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")
    assert web.client.get(url.partition("?")[0]).status_code == 404
    assert web.client.get(f"{url}0").status_code == 404
    assert web.client.get(url.replace(".png", ".jpg")).status_code == 404


@pytest.mark.parametrize("secret", ["", "s"])
def test_outputs_under_their_own_names(make_web: MakeWeb, secret: str) -> None:
    web = make_web(artifact_url_secret=secret, web_public_url="https://clean.example", artifact_public_url="")
    make_batch(web.engine, 1)
    finish(web)
    with web.engine.connect() as connection:
        [photo] = artifacts.find_clean(
            connection, 1, list(connection.execute(text("SELECT source_uri FROM jobs")).scalars())
        )
    settings = load_settings(artifact_url_secret=secret, web_public_url="https://clean.example")
    path = clean_url(settings, photo).removeprefix("https://clean.example")
    token = path.split("/")[2]
    for name in ("red-shirt.png", "%E7%BA%A2.png", "evil.exe", path.rpartition("/")[2]):
        found = web.client.get(f"/artifacts/{token}/{name}")
        assert (found.status_code, found.content) == (200, b"0123456789")
        assert found.headers["content-type"] == "image/png"
        assert "immutable" in found.headers["cache-control"]
    told = web.client.get(f"/artifacts/{token}/evil.exe").headers["content-disposition"]
    assert told == 'inline; filename="evil-exe.png"'
    told = web.client.get(f"/artifacts/{token}/%E7%BA%A2.png").headers["content-disposition"]
    assert told == "inline; filename=\"_.png\"; filename*=UTF-8''%E7%BA%A2.png"
    head = web.client.head(path)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "10")
    part = web.client.get(path, headers={"Range": "bytes=2-3"})
    assert (part.status_code, part.content) == (206, b"23")
    refused = [f"/artifacts/{'0' * 64}/red.png", f"/artifacts/{token[:-1]}/red.png", f"/artifacts/{token}/"]
    if secret:
        refused += [f"/artifacts/{token[:64]}/red.png", f"/artifacts/{token[:-1]}g/red.png"]
    for other in refused:
        assert web.client.get(other).status_code == 404, other


def test_deciding_about_held_jobs(api: httpx.Client, web: Web) -> None:
    make_batch(web.engine, 3)
    finish(web)
    with web.engine.begin() as connection:
        put(connection, "held", "id < 3")
    assert api.post("jobs/1/accept").json() == {"changed": 1}
    assert "no output" in problem(api.post("jobs/2/accept"), 409)
    assert api.post("jobs/2/reject").json() == {"changed": 1}
    assert "is pending, neither held nor clean" in problem(api.post("jobs/3/reject"), 409)
    problem(api.post("jobs/9/accept"), 404)


def test_a_catalogue_file_as_the_body(api: httpx.Client, web: Web) -> None:
    csv = f"Handle,Image Src\nshoe,{A}\nboot,{B}\n".encode()
    asked = httpx.QueryParams({"name": "Shop", "lane": "interactive", "elements": ["1", "2"]})
    found = api.post("batches/catalogue", content=csv, params=asked, headers={"Content-Type": "text/csv"})
    assert (found.status_code, found.json()) == (201, {"id": 1, "added": 2, "resumed": False, "unreadable": 0})
    assert web.rows("SELECT sku, elements FROM jobs ORDER BY id")[0] == {"sku": "shoe", "elements": [1, 2]}
    bad = api.post("batches/catalogue", content=b"id,name\n1,Shoe\n", params={"name": "x"})
    assert "It has: 'id', 'name'" in problem(bad, 422)
    local = b'{"path": "/etc/passwd"}\n'
    assert "names a file of this machine" in problem(api.post("batches/catalogue", content=local), 422)
    for url in (b"file:///etc/passwd", b"S3://bucket/key", b"upload:00"):
        local = b"image_url,sku\n" + url + b",1\n"
        assert "only this machine may read" in problem(api.post("batches/catalogue", content=local), 422)


def test_photos_as_files(api: httpx.Client, web: Web) -> None:
    files = [("files", (name, data, "image/jpeg")) for name, data in (("../a.jpg", b"one"), ("b.jpg", b"two"))]
    found = api.post("batches/files", files=files, params={"name": "Mine", "lane": "interactive"})
    assert (found.status_code, found.json()) == (201, {"id": 1, "added": 2, "resumed": False, "unreadable": 0})
    jobs = web.rows("SELECT source_uri, name FROM jobs ORDER BY id")
    assert [job["name"] for job in jobs] == ["_a.jpg", "b.jpg"]
    with web.engine.connect() as connection:
        assert [uploads.find(connection, job["source_uri"]) for job in jobs] == [b"one", b"two"]
    problem(api.post("batches/files", files=[]), 422)


def test_a_quote_of_urls(make_web: MakeWeb) -> None:
    web = make_web(removal_price="0.02", removal_rate=10)
    asked = {"photos": [{"image_url": A}, {"image_url": B}, {"image_url": A}]}
    found = web.client.post("/v1/quotes", json=asked, headers=token_of(web.engine, Scope.READ)).json()
    assert (found["photos"], found["unique"], found["already_cleaned"], found["to_call"]) == (3, 2, 0, 2)
    assert (float(found["cost"]), found["seconds"]) == (0.04, 1)
    assert web.rows("SELECT count(*) AS n FROM jobs") == [{"n": 0}]


def test_a_quote_counts_whole_calls_a_second(make_web: MakeWeb) -> None:
    web = make_web(removal_rate=24.7)
    asked = {"photos": [{"image_url": A}]}
    found = web.client.post("/v1/quotes", json=asked, headers=token_of(web.engine, Scope.READ)).json()
    assert found["rate"] == 24


def test_costs_and_the_limiter(api: httpx.Client) -> None:
    assert api.get("costs").json() == {"currency": "USD", "lines": []}
    assert "No call was made" in problem(api.get("limiter"), 404)


def test_it_describes_itself(api: httpx.Client) -> None:
    told = json.loads(api.get("openapi.json").text)
    assert told["info"]["title"] == "Cleanplate"
    assert {"/v1/batches", "/v1/jobs/{job_id}/artifact", "/v1/quotes"} <= set(told["paths"])


def test_an_error_nobody_foresaw_is_a_problem_too(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret inside")

    headers = token_of(web.engine)
    monkeypatch.setattr(batches, "newest", fail)
    answer = web.client.get("/v1/batches", headers={**headers, "X-Request-ID": "abc-1"})
    assert "secret" not in problem(answer, 500)
    assert answer.headers["x-request-id"] == "abc-1"


def test_outputs_are_under_the_web_application_unless_told(make_web: MakeWeb) -> None:
    web = make_web(artifact_public_url="")
    make_batch(web.engine, 1)
    finish(web)
    url = web.client.get("/v1/jobs/1", headers=token_of(web.engine)).json()["artifact_url"]
    assert url.startswith("http://127.0.0.1:8080/artifacts/")
    web = make_web(artifact_public_url="", web_public_url="https://clean.example/")
    url = web.client.get("/v1/jobs/1", headers=token_of(web.engine)).json()["artifact_url"]
    assert url.startswith("https://clean.example/artifacts/")


def test_a_quote_can_be_asked_for_with_a_key(api: httpx.Client) -> None:
    asked = {"photos": [{"image_url": A}]}
    first = api.post("quotes", json=asked, headers={"Idempotency-Key": "q"})
    assert api.post("quotes", json=asked, headers={"Idempotency-Key": "q"}).json() == first.json()
    problem(api.post("quotes", json={"photos": [{"image_url": B}]}, headers={"Idempotency-Key": "q"}), 409)


@pytest.mark.parametrize("path", ["batches", "quotes", "batches/1/requeue", "batches/files"])
@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_that_is_too_long_is_refused(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch, path: str, *, is_announced: bool
) -> None:
    monkeypatch.setattr(limits, "MOST_BYTES", 100_000)
    monkeypatch.setattr(limits, "MOST_UPLOAD_BYTES", 100_000)
    head = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' if "files" in path else b"["
    kind = "multipart/form-data; boundary=x" if "files" in path else "application/json"
    chunks = [head, *[b" " * 10_000] * 11]
    content = b"".join(chunks) if is_announced else iter(chunks)
    problem(api.post(path, content=content, headers={"Content-Type": kind}), 413)


def test_a_body_without_end_is_not_read_to_its_end() -> None:
    calls: list[int] = []

    async def endless() -> Message:
        calls.append(1)
        return {"type": "http.request", "body": b" " * 100_000, "more_body": True}

    async def read_all(_: object, receive: Receive, __: object) -> None:
        while True:
            await receive()

    async def ignore(_: Message) -> None: ...

    scope = {"type": "http", "path": "/v1/batches", "headers": []}
    with pytest.raises(HTTPException) as caught:
        asyncio.run(limits.BodyLimit(read_all, lambda _: None)(scope, endless, ignore))
    assert caught.value.status_code == 413
    assert len(calls) == limits.MOST_BYTES // 100_000 + 1


def test_what_is_done_stands_in_the_audit_log(api: httpx.Client, web: Web) -> None:
    made(api, A)
    for name in ("pause", "resume", "cancel"):
        assert api.post(f"batches/1/{name}").status_code == 200
    lines = web.rows("SELECT actor, action, target, detail FROM audit ORDER BY id")
    assert [(line["actor"], line["action"], line["target"]) for line in lines] == [
        ("token t", "submit", "batch 1"),
        ("token t", "pause", "batch 1"),
        ("token t", "resume", "batch 1"),
        ("token t", "cancel", "batch 1"),
    ]
    assert lines[0]["detail"] == "1 photos"
