"""What actions act upon: each function makes it in an empty database."""

from sqlalchemy import Engine, text

from actions import alarms, batches, samples, selection
from core.settings import load_settings
from db import artifacts, canaries, circuits, shop_places, users, writeback_lists
from db import batches as batch_rows
from db import budgets as budget_rows
from db import connections as connection_rows
from db import flags as flag_rows
from db import tokens as token_rows
from db.shop_places import ShopPlace
from db.tokens import Scope
from db.users import Role
from tests.actions.doors import PERSON
from tests.db.rows import make_batch, put
from tests.photos.pictures import drawn, saved


def some(engine: Engine) -> None:
    """Make a batch of four, and refuse the account."""
    make_batch(engine, 4)
    with engine.begin() as connection:
        circuits.trip(connection, load_settings().account, reason="account", code="InvalidAppKey", message="no")


def a_known_alarm(engine: Engine) -> None:
    some(engine)
    with engine.begin() as connection:
        alarms.acknowledge(connection, "somebody", "account-refused", load_settings())


def paused(engine: Engine) -> None:
    some(engine)
    with engine.begin() as connection:
        batch_rows.pause(connection, 1, "hand")


def waiting_for_budget(engine: Engine) -> None:
    some(engine)
    with engine.begin() as connection:
        budget_rows.set_limits(connection, 1, max_calls=0, max_cost=None)
        batch_rows.pause(connection, 1, budget_rows.PAUSE_REASON)


def waiting_for_tomorrow(engine: Engine) -> None:
    some(engine)
    with engine.begin() as connection:
        batch_rows.pause(connection, 1, budget_rows.PAUSE_REASON)
        connection.execute(
            text("INSERT INTO daily_calls VALUES (:account, CAST(now() AT TIME ZONE 'UTC' AS date), 5)"),
            {"account": load_settings().account},
        )


def bad_canary(engine: Engine) -> None:
    make_batch(engine, 10)
    with engine.begin() as connection:
        canaries.choose(connection, 1, 2)
        put(connection, "dead", "is_canary", code="703", message="no")
        canaries.judge(connection, 0.2)


def dead(engine: Engine) -> None:
    some(engine)
    with engine.begin() as connection:
        put(connection, "dead", "id < 3", code="801", message="busy")


def cancelled(engine: Engine) -> None:
    some(engine)
    with engine.begin() as connection:
        batches.cancel(connection, "somebody", 1)


def held(engine: Engine) -> None:
    """Make a batch in which two held jobs are of the same photo, and a third has no output."""
    some(engine)
    photo = saved(drawn())
    with engine.begin() as connection:
        sha256 = artifacts.keep(connection, photo, image_format="JPEG", width=600, height=640)
        put(connection, "held", "id < 3", artifact_sha256=sha256, content_key="photo", message="why")
        put(connection, "held", "id = 3", code="read_timeout", message="no answer")


DECISION = "00000000-0000-4000-8000-000000000001"


def rejected(engine: Engine) -> None:
    """Make a batch of which one clean photo was just rejected, by a decision that can be taken back."""
    clean(engine)
    with engine.begin() as connection:
        selection.reject_all(connection, PERSON, 1, [1])
        connection.execute(text("UPDATE decisions SET id = CAST(:id AS uuid)"), {"id": DECISION})


def sampled(engine: Engine) -> None:
    """Make a batch with a sample of its one clean photo."""
    clean(engine)
    with engine.begin() as connection:
        samples.draw(connection, "somebody", 1, 5)


def skipped(engine: Engine) -> None:
    """Make a batch in which two photos were not called for, as nothing was found on them, and one was."""
    some(engine)
    with engine.begin() as connection:
        put(connection, "succeeded", "id < 3", code="nothing_to_remove", is_bare=True)
        put(connection, "succeeded", "id = 3")


def clean(engine: Engine) -> None:
    some(engine)
    with engine.begin() as connection:
        sha256 = artifacts.keep(connection, saved(drawn()), image_format="JPEG", width=600, height=640)
        put(connection, "succeeded", "id = 1", artifact_sha256=sha256)


def flagged(engine: Engine) -> None:
    clean(engine)
    with engine.begin() as connection:
        flag_rows.put(connection, 1, "somebody", "look at the corner")


def a_shop(engine: Engine) -> None:
    with engine.begin() as connection:
        connection_rows.create(connection, platform="json", shop="A shop", secret="first", options={"elements": [1]})


def a_writable_shop(engine: Engine) -> None:
    """Make a shop with a photo that waits for a person, one that failed, and one that was replaced."""
    clean(engine)
    with engine.begin() as connection:
        connection_rows.create(
            connection, platform="magento", shop="A shop", secret="first", options={}, writeback="ask", sealed_token="x"
        )
        shop_places.expect(connection, 1, [ShopPlace(1, "p", "", url) for url in ("a", "b", "c")])
        connection.execute(text("UPDATE writebacks SET state = 'failed', last_error = 'why' WHERE id = 2"))
        kept = text(
            "UPDATE writebacks SET state = 'written', original_sha256 = (SELECT sha256 FROM artifacts LIMIT 1) "
            "WHERE id = 3"
        )
        connection.execute(kept)


def a_paused_shop(engine: Engine) -> None:
    a_writable_shop(engine)
    with engine.begin() as connection:
        writeback_lists.pause(connection, 1, "hand")


def a_shop_that_was_told(engine: Engine) -> None:
    a_writable_shop(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE batches SET options = '{\"connection\": 1}'"))
        told = text("INSERT INTO callbacks (batch_id, job_id, event, ended_at) VALUES (1, 1, 'job.succeeded', now())")
        connection.execute(told)


def a_shop_that_told(engine: Engine) -> None:
    a_shop(engine)
    with engine.begin() as connection:
        body = b'{"photos": ["https://shop.example/a.jpg"]}'
        connection_rows.note_delivery(connection, 1, key="k", topic="", body=body)


def a_token(engine: Engine) -> None:
    with engine.begin() as connection:
        token_rows.create(connection, name="ci", scopes=[Scope.READ])


def a_person(engine: Engine) -> None:
    with engine.begin() as connection:
        users.add(connection, "bob", Role.VIEWER, None)
