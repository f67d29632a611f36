"""A short storm: whatever hits them, what was promised is counted at the end, and nothing of it is broken."""

from pathlib import Path

import pytest

from bench.chaos.audit import audit, list_waited_for
from bench.chaos.rig import Rig
from bench.chaos.storm import StandsStill, Storm

PHOTOS = 200
MOST_SECONDS = 400.0

pytestmark = pytest.mark.chaos


def test_photos_come_through_a_short_storm(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        storm = Storm(rig, 5, print)
        try:
            seen = storm.run(tmp_path / "photos", PHOTOS, MOST_SECONDS)
        except StandsStill as error:
            pytest.fail("\n".join([str(error), *list_waited_for(rig)]))
        assert len(seen.blows) > 1
        assert list(audit(rig, seen)) == []
