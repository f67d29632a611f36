"""What a picture does to its decoder is done to a process of its own, and to no other photo."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from bench.hostile.pictures import CHEAP, KINDS, jpeg
from core.errors import CleanplateError, DecodersUnavailable, OutputError, SourceRefused, SourceUnreachable
from photos import decoders, fitting
from photos.comparison import SentTiles, compare
from photos.decoders.decoder import Broken, Decoder, Killed, _find
from photos.decoders.limits import MB, Allowance, Cost
from photos.decoders.pool import Decoders
from photos.decoders.scan import scan
from photos.decoders.wire import Channel, NoMessage
from photos.fitting import Fitted, Restored
from photos.photo import ARTIFACT_FORMATS
from tests.photos.pictures import drawn, saved

STUCK = Allowance(Cost(100 * MB, 1, 60.0), Cost(100 * MB, 1, 60.0), turns=2)


@pytest.fixture
def few() -> Any:
    """Decoders that may take little."""
    found = Decoders(STUCK)
    yield found
    found.close()


def how_it_ends(data: bytes) -> str:
    """Return what becomes of a photo."""
    try:
        decoders.fit(data)
    except SourceRefused as error:
        return error.code
    return "fitted"


@pytest.mark.parametrize("name", CHEAP)
def test_what_hurts_is_refused_or_done_and_the_next_photo_is_fitted(name: str) -> None:
    data = KINDS[name](3_000_000)
    assert how_it_ends(data) in {"fitted", "undecodable", "bomb", "corrupt", "truncated"}
    assert decoders.fit(jpeg()).sent_size == (640, 640)


@pytest.mark.parametrize("format_name", ARTIFACT_FORMATS)
@pytest.mark.parametrize("size", [(640, 700), (300, 200)])
def test_what_comes_of_it_is_the_same_as_in_this_process(format_name: str, size: tuple[int, int]) -> None:
    data = saved(drawn(*size), format_name)
    here, there = fitting.fit(data), decoders.fit(data)
    assert (here.sent, here.plan, here.photo) == (there.sent, there.plan, there.photo)
    assert (here.tiles is None) == (there.tiles is None)
    if here.tiles is not None and there.tiles is not None:
        assert here.tiles.tobytes() == there.tiles.tobytes()
    seen = SentTiles(there.sent_size, there.tiles) if there.tiles is not None else None
    for kind in ("JPEG", "PNG", None):
        output = there.sent if kind is None else saved(drawn(*here.sent_size, text="blue"), kind)
        compared = decoders.compare(there.sent, output, box=there.plan.photo_box, seen=seen)
        again = compare(here.sent, output, box=here.plan.photo_box)
        assert compared == again
        assert compared.changed_ratio > 0 or kind is None
        assert compared.changed is not None
        assert again.changed is not None
        assert compared.changed.tobytes() == again.changed.tobytes()
        assert decoders.restore(output, data, there, compared) == fitting.restore(output, data, here, compared)
    assert decoders.thumbnail(data, 100).startswith(b"\xff\xd8")
    assert decoders.seen_size_of(data) == size
    assert (decoders.look_at(data).width, decoders.look_at(data).height) == size


def test_no_photo_of_an_honest_kind_is_scanned_for_long() -> None:
    photo = saved(drawn(3000, 3000), "JPEG")
    began = time.process_time()
    for _ in range(100):
        assert scan(photo).width == 3000
    assert time.process_time() - began < 0.1 * 10


def test_refusals_keep_their_words() -> None:
    for data in (b"", b"<html>", saved(drawn(640, 640), "JPEG")[:5000]):
        with pytest.raises(SourceRefused) as here:
            fitting.fit(data)
        with pytest.raises(SourceRefused) as there:
            decoders.fit(data)
        assert (here.value.code, str(here.value)) == (there.value.code, str(there.value))
    with pytest.raises(OutputError) as caught:
        decoders.compare(jpeg(), b"<html>")
    assert caught.value.code == "output_not_image"


def test_what_takes_too_much_memory_is_undecodable(few: Decoders) -> None:
    data = saved(Image.new("RGB", (7000, 7000)), "PNG")
    with pytest.raises(Broken, match="memory"):
        few.run("fit", data, is_big=True)
    assert few.run("seen_size_of", jpeg(), is_big=False) == ("done", (640, 640))


def test_what_takes_too_much_of_a_processor_is_undecodable() -> None:
    found = Decoders(Allowance(Cost(900 * MB, 0, 60.0), Cost(900 * MB, 0, 60.0), turns=1))
    data = KINDS["PNG of 119 MP, transparent"](0)
    with pytest.raises(Broken, match="longer"):
        found.run("fit", data, is_big=True)
    found.close()


def test_a_decoder_that_is_killed_is_replaced_and_its_photo_done_by_the_next(
    few: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []

    def ask(self: Decoder, *given: Any) -> Any:
        if not killed:
            killed.append(self._process.pid)
            os.kill(self._process.pid, signal.SIGKILL)
        return asked(self, *given)

    asked = Decoder.ask
    monkeypatch.setattr(Decoder, "ask", ask)
    assert few.run("seen_size_of", jpeg(), is_big=False) == ("done", (640, 640))
    assert len(killed) == 1


def test_what_cannot_be_started_is_no_photos_fault(few: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DecodersUnavailable):
        few.run("seen_size_of", jpeg(), is_big=False)
    monkeypatch.undo()
    assert few.run("seen_size_of", jpeg(), is_big=False)[0] == "done"


def test_what_the_system_does_not_let_start_is_no_photos_fault_and_leaves_nothing_open(
    few: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    opened = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with pytest.raises(DecodersUnavailable, match="temporarily"):
            few.run("seen_size_of", jpeg(), is_big=False)
    assert len(os.listdir("/dev/fd")) == opened
    monkeypatch.undo()
    assert few.run("seen_size_of", jpeg(), is_big=False)[0] == "done"
    # A photo that breaks its decoder is told as such even where no other can be started.
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(Broken):
        few.run("nothing", is_big=False)


def test_what_happens_to_an_idle_decoder_is_not_the_next_photos_fault(
    few: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    few.warm()
    (idle,) = few._idle
    os.kill(idle._process.pid, signal.SIGABRT)
    os.waitid(os.P_PID, idle._process.pid, os.WEXITED | os.WNOWAIT)
    assert few.run("seen_size_of", jpeg(), is_big=False)[0] == "done"

    def lose(*_: Any) -> None:
        monkeypatch.undo()
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(Channel, "send", lose)
    assert few.run("seen_size_of", jpeg(), is_big=False)[0] == "done"


def test_a_decoder_that_was_not_let_work_is_no_photos_fault(few: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[int] = []

    def ask(self: Decoder, cost: Cost, *given: Any) -> Any:
        if stopped:
            return asked(self, cost, *given)
        self._wait_for_start()
        stopped.append(self._process.pid)
        os.kill(self._process.pid, signal.SIGSTOP)
        return asked(self, replace(cost, wall_seconds=0.1), *given)

    asked = Decoder.ask
    monkeypatch.setattr(Decoder, "ask", ask)
    assert few.run("seen_size_of", jpeg(), is_big=False) == ("done", (640, 640))
    assert len(stopped) == 1


def test_what_is_killed_again_and_again_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(self: Decoder, *_: Any) -> Any:
        self.close()
        raise Killed

    monkeypatch.setattr(Decoder, "ask", ask)
    with pytest.raises(SourceUnreachable) as caught:
        decoders.fit(jpeg())
    assert caught.value.code == "decoder_killed"
    with pytest.raises(DecodersUnavailable):
        decoders.thumbnail(jpeg())


def test_one_that_is_stuck_holds_up_no_other(few: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, end = threading.Event(), threading.Event()

    def ask(self: Decoder, cost: Cost, name: str, *given: Any) -> Any:
        if name == "stuck":
            begun.set()
            end.wait(60)
            self.close()
            raise Broken("stuck")
        return asked(self, cost, name, *given)

    asked = Decoder.ask
    monkeypatch.setattr(Decoder, "ask", ask)
    with ThreadPoolExecutor(3) as threads:
        stuck = [threads.submit(few.run, "stuck", is_big=True) for _ in range(2)]
        assert begun.wait(60)
        assert few.run("seen_size_of", jpeg(), is_big=False)[0] == "done"
        end.set()
        assert all(isinstance(each.exception(60), Broken) for each in stuck)


def test_an_answer_is_made_of_nothing_but_what_it_may_be() -> None:
    for module, name in (("os", "system"), ("builtins", "eval"), ("subprocess", "Popen")):
        with pytest.raises(NoMessage):
            _find(module, name)
    assert _find("photos.fitting.fitted", "Fitted") is Fitted


def test_a_decoder_is_told_no_secret_and_ends_with_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOVAL_API_SECRET", "hidden")
    started: list[dict[str, Any]] = []

    def note(*words: Any, **named: Any) -> Any:
        started.append(named)
        return begin(*words, **named)

    begin = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", note)
    found = Decoder()
    assert "hidden" not in str(started[0]["env"])
    found.close()
    assert found._process.poll() is not None


def test_a_hostile_output_is_an_error_of_the_output() -> None:
    photo = jpeg()
    fitted = decoders.fit(photo)
    for name in ("JPEG of empty segments", "PNG of small chunks"):
        with pytest.raises(OutputError) as caught:
            decoders.compare(fitted.sent, KINDS[name](3_000_000))
        assert caught.value.code == "output_undecodable"
    assert isinstance(decoders.restore(photo, photo, fitted, compare(photo, photo)), Restored)
    with pytest.raises(CleanplateError):
        decoders.thumbnail(KINDS["TIFF of strips"](1_000_000))


@pytest.mark.parametrize("told", ["1.0", float("nan"), float("inf"), -1.0])
def test_a_decoder_is_not_believed_what_cannot_be(told: object, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Decoder()
    cost = Cost(300 * MB, 5, 60.0)
    assert found.ask(cost, "seen_size_of", (saved(drawn()),), {})[0] == "done"
    monkeypatch.setattr(Channel, "receive", lambda _: (told, ("done", (1, 1))))
    with pytest.raises(Broken, match="cannot be"):
        found.ask(cost, "seen_size_of", (saved(drawn()),), {})
    assert found.is_closed
