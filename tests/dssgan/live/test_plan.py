"""How a latency is spent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dssgan.live.plan import LONGEST, MARGIN, plan, speed_of
from tests.dssgan.live.test_window import Fake


@given(latency=st.floats(0.05, 4), speed=st.floats(2.11, 1000))
def test_parts_add_up_to_the_latency_and_the_block_is_computed_in_time(latency, speed):
    found = plan(latency, speed)
    whole = found.block + found.ahead + MARGIN * found.computing
    assert whole == pytest.approx(latency)
    assert MARGIN * found.computing <= found.block + 1e-9
    assert found.block + found.ahead <= found.window + 1e-9 <= LONGEST + 1e-6
    assert found.computing == pytest.approx(found.window / speed)
    assert f"latency {round(latency, 4):g} s = " in str(found)


def test_faster_machines_hear_more():
    windows = [plan(0.5, speed).window for speed in (2.5, 5, 50)]
    assert windows == sorted(windows) and windows[0] < windows[-1]
    assert plan(0.5, 1000).ahead > plan(0.5, 3).ahead


@pytest.mark.parametrize("speed", [0.3, 1.0, 2.0])
def test_too_slow_is_told_with_what_is_needed(speed):
    with pytest.raises(ValueError, match=rf"does {speed:.1f} times real time here, and 2\.1 are"):
        plan(1.0, speed)


def test_speed_is_that_of_the_slowest_window(monkeypatch):
    clock = iter([0.0, 0.25, 1.0, 1.5, 2.0, 2.25])
    monkeypatch.setattr("dssgan.live.plan.time.perf_counter", lambda: next(clock))
    assert speed_of(Fake(8000, lambda audio: audio), 1) == 2.0  # a second of audio in 0.5 s
