import re

from oncoserve.runtime.timings import Timings


def stopwatch(*readings):
    left = iter(readings)
    return Timings(lambda: next(left))


def test_laps_are_contiguous_and_add_up():
    timings = stopwatch(0.0, 0.010, 0.030, 0.035, 0.040)
    for name in ("decode", "infer", "decode"):
        timings.lap(name)
    assert timings.rounded() == {"decode": 15.0, "infer": 20.0}
    assert round(timings.total_ms(), 6) == 40


def test_header_is_server_timing():
    timings = stopwatch(0.0, 0.0012, 0.002)
    timings.lap("decode")
    assert timings.header() == "decode;dur=1.200, total;dur=2.000"
    assert re.fullmatch(r"([\w!#$%&'*+.^`|~-]+;dur=\d+\.\d+(, )?)+", Timings().header())


def test_stages_may_be_gone_through_while_a_thread_ends_another():
    timings = Timings()
    timings.lap("decode")
    for name in timings.stages():
        timings.lap(f"after {name}")
    assert list(timings.stages()) == ["decode", "after decode"]
