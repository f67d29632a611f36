"""Room for large files, and turns at decoding: waited for, given back, given up."""

import threading

import pytest

from photos.memory import BIG_PIXELS, Memory, NoRoom


def test_room_is_waited_for_and_given_back() -> None:
    room, got = Memory(100, 2), threading.Event()

    def come_late() -> None:
        with room.hold_files() as take:
            take(60)
            got.set()

    late = threading.Thread(target=come_late)
    with room.hold_files() as take:
        take(80)
        late.start()
        assert not got.wait(0.1)
        take(40)
        assert got.wait(60)
    late.join(60)
    with room.hold_files() as take:
        take(100)


def test_what_waits_can_give_up() -> None:
    room, stopping = Memory(100, 2), threading.Event()
    with room.hold_files() as take:
        take(80)
        stopping.set()
        with room.hold_files(stopping.is_set) as late, pytest.raises(NoRoom):
            late(30)
    with room.hold_files() as take:
        take(100)


def test_more_photos_than_there_are_turns_wait() -> None:
    memory, got = Memory(0, 1), threading.Event()

    def come_late() -> None:
        with memory.hold_pixels():
            got.set()

    late = threading.Thread(target=come_late)
    with memory.hold_pixels():
        late.start()
        assert not got.wait(0.1)
    assert got.wait(60)
    late.join(60)


def test_a_thread_never_waits_for_itself() -> None:
    memory = Memory(0, 1)
    with memory.hold_pixels(), memory.hold_pixels(BIG_PIXELS + 1), memory.hold_pixels(BIG_PIXELS + 1):
        pass
    with memory.hold_pixels(BIG_PIXELS + 1), memory.hold_pixels():
        pass


def test_big_photos_do_not_wait_for_each_other_for_ever() -> None:
    memory = Memory(0, 2)
    both = threading.Barrier(2, timeout=60)

    def work() -> None:
        with memory.hold_pixels():
            # Both have their header open when both want to work on it.
            both.wait()
            with memory.hold_pixels(BIG_PIXELS + 1), memory.hold_pixels():
                pass

    threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
