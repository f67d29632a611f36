"""Room for large files: waited for, given back, given up."""

import threading

import pytest

from worker.room import NoRoom, Room


def test_room_is_waited_for_and_given_back() -> None:
    room, got = Room(100), threading.Event()

    def come_late() -> None:
        with room.hold() as take:
            take(60)
            got.set()

    late = threading.Thread(target=come_late)
    with room.hold() as take:
        take(80)
        late.start()
        assert not got.wait(0.1)
        take(40)
        assert got.wait(5)
    late.join(5)
    with room.hold() as take:
        take(100)


def test_what_waits_can_give_up() -> None:
    room, stopping = Room(100), threading.Event()
    with room.hold() as take:
        take(80)
        stopping.set()
        with room.hold(stopping.is_set) as late, pytest.raises(NoRoom):
            late(30)
    with room.hold() as take:
        take(100)
