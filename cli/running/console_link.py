"""A link into the console for whoever started the local stack."""

from sqlalchemy import Connection, Engine

from cli.actor import actor
from core.settings import Settings
from db import audit, users
from db.session import transact
from db.users import Role

LOCAL_USER = "local"


def make_console_link(engine: Engine, settings: Settings) -> str:
    """Return a link that signs in, once, as the admin of this machine's own stack.

    Args:
        engine: The stack's database.
        settings: Where the console is.
    """

    def work(connection: Connection) -> str:
        person = users.add(connection, LOCAL_USER, Role.ADMIN, None) or users.find(connection, LOCAL_USER)
        assert person is not None
        audit.note(connection, actor(), "make link", person.name)
        return users.make_link(connection, person.id)

    return f"{settings.web_url}/sign-in/{transact(engine, work)}"
