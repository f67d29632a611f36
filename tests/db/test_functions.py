"""The database's functions are those of this version."""

import hashlib

from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from db import functions
from db.migrate import configuration


def test_a_migrated_database_has_the_functions_as_they_are_written(engine: Engine) -> None:
    # Who changes one adds a migration that installs it anew.
    with engine.begin() as connection:
        source = text("SELECT prosrc FROM pg_proc WHERE proname = :name")
        for name, statement in functions.FUNCTIONS.items():
            assert connection.execute(source, {"name": name}).scalar_one() in statement


def test_a_database_of_an_older_version_gets_them_as_they_are_written() -> None:
    # Else only new databases have them: a changed one is installed by a migration that comes after all others.
    now = hashlib.sha256("".join(functions.FUNCTIONS.values()).encode()).hexdigest()[:16]
    migrations = ScriptDirectory.from_config(configuration()).walk_revisions()
    installed = [each.module.INSTALLED for each in migrations if hasattr(each.module, "INSTALLED")]
    assert installed[0] == now
