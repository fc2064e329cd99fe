"""References, model sets and packages appear in one step (contract C10); `make faults` tries more."""

import pytest
from harness import count_events, kill_everywhere
from training_cases import TRAINING_CASES, packaged

EVENTS = 12
"""The last file events, those of publishing; earlier ones are of temporary files."""
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # of bioimageio.spec


@pytest.mark.parametrize("make", TRAINING_CASES)
def test_a_command_that_dies_while_it_publishes_is_completed_by_itself(tmp_path, make):
    if make is packaged:
        pytest.importorskip("bioimageio.core", reason="bioimageio.core is not installed")
    case = make(tmp_path / "start")
    first = max(1, count_events(case, tmp_path / "work") - EVENTS)
    row = kill_everywhere(case, tmp_path / "work", first=first, every=7)
    assert row.clean(), row
