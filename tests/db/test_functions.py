"""The database's functions are those of this version."""

from sqlalchemy import Engine, text

from db import functions


def test_a_migrated_database_has_the_functions_as_they_are_written(engine: Engine) -> None:
    # Who changes one adds a migration that installs it anew.
    with engine.begin() as connection:
        source = text("SELECT prosrc FROM pg_proc WHERE proname = :name")
        for name, statement in functions.FUNCTIONS.items():
            assert connection.execute(source, {"name": name}).scalar_one() in statement
