"""Finding a provider by its name, and what another one costs: a file."""

import json

import pytest

from core.errors import UsageError
from core.settings import load_settings
from core.states import AnswerClass
from removal.client import RemovalClient
from removal.contract import RemovalRequest
from removal.provider import find_provider
from tests.removal.loopback import Talk, serving

REQUEST = RemovalRequest("https://shop.example/a.jpg", None, (), (1, 2))


@pytest.mark.parametrize("name", ["", "nobody", "Aidge", "../aidge", "__init__", "os", "aidge.encode"])
def test_a_provider_that_is_not_there_is_said_with_those_that_are(name: str) -> None:
    with pytest.raises(UsageError, match=r"REMOVAL_PROVIDER is one of aidge, alibabacloud"):
        find_provider(name)


@pytest.mark.usefixtures("another")
def test_one_file_is_another_provider() -> None:
    seen: list[bytes] = []

    def behave(talk: Talk) -> None:
        for answer in ({"clean": "https://cdn.example/out.png"}, {"error": "busy"}):
            seen.append(talk.read_request())
            talk.answer(json.dumps(answer).encode())

    with serving(behave) as server:
        client = RemovalClient(f"{server.url}/v9/erase?x=1", "key-1", "s", provider="another")
        answers = [client.call(REQUEST) for _ in range(2)]
        client.close()
    assert [answer.answer_class for answer in answers] == [AnswerClass.SUCCESS, AnswerClass.THROTTLED]
    assert answers[0].output_url == "https://cdn.example/out.png"
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v9/erase?x=1 HTTP/1.1\r\n")
    assert b"X-Token: key-1" in head
    assert json.loads(body) == {"photo": "https://shop.example/a.jpg", "what": [1, 2]}
    assert client.provider.bounds.min_side == 64


@pytest.mark.parametrize(
    ("url", "key"),
    [("", ""), ("", "k"), ("https://proxy.shop.example/removal", "k"), ("http://127.0.0.1:8080/x", "sandbox")],
)
def test_what_one_provider_made_is_never_taken_for_anothers(url: str, key: str) -> None:
    made_by = [
        load_settings(removal_provider=name, removal_api_url=url, removal_api_key=key).provider
        for name in ("aidge", "alibabacloud", "another")
    ]
    assert len(set(made_by)) == 3


def test_each_provider_has_its_own_default_url() -> None:
    def url(provider: str, **more: str) -> str:
        return load_settings(removal_provider=provider, removal_api_key="k", **more).api_url

    assert url("aidge", removal_api_url="") == "https://api.aidc-ai.com/rest/ai/image/removal"
    assert url("alibabacloud", removal_api_url="") == "https://aidge.cn-beijing.aliyuncs.com/"
    assert url("alibabacloud", removal_api_url="https://aidge.eu.example/") == "https://aidge.eu.example/"


def test_without_a_key_every_provider_is_the_sandbox() -> None:
    settings = load_settings(removal_provider="alibabacloud", removal_api_url="", removal_api_key="")
    assert settings.uses_sandbox
    assert settings.provider == "alibabacloud:sandbox"
