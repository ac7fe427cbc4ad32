import math

import pytest

from loadtest.chaos.chaos_tables import table
from loadtest.chaos.faults import FAULTS, SHORT, named
from loadtest.chaos.judged_answers import BROKEN, DROPPED, REFUSED, RIGHT, Judgement
from loadtest.chaos.leftovers import SPARE_FILES, SPARE_MIB, Holdings
from loadtest.chaos.rounds import Outcome

AT_REST = Holdings({"frontend": 20}, 300.0, {"oncoserve_in_flight": 1.0, "tiny": 0.0})


def judged(*verdicts):
    judgement = Judgement()
    for verdict in verdicts:
        judgement.add(verdict, "what was answered")
    return judgement


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome("f", 1.0, 2.0, peak_mib=10), None),
        (Outcome("f", 1.0, peak_mib=10), None),
        (Outcome("f", 1.0, judgement=judged(RIGHT, REFUSED, DROPPED)), None),
        (Outcome("f", skipped="needs root"), None),
        (Outcome("f", 31.0), "not right within 30 s: 31.0 s"),
        (Outcome("f", 1.0, 31.0), "not right within 30 s: 31.0 s"),
        (Outcome("f", math.inf, missing=["jobs"]), "inf s (jobs)"),
        (Outcome("f", 1.0, judgement=judged(BROKEN)), "what was answered"),
        (Outcome("f", 1.0, left=["5 open files"]), "left: 5 open files"),
        (Outcome("f", 1.0, peak_mib=101), "101 MiB, at most 100"),
    ],
)
def test_each_bound_can_be_broken(outcome, words):
    broken = outcome.broken(within_s=30, max_mib=100)
    assert len(broken) == (words is not None)
    assert words is None or words in broken[0]
    assert outcome.fault in table([outcome])


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (AT_REST, None),
        (Holdings({"frontend": 20 + SPARE_FILES, "jobs worker": 90}, 300.0 + SPARE_MIB, AT_REST.under_way), None),
        (Holdings({"frontend": 21 + SPARE_FILES}, 300.0, AT_REST.under_way), "frontend: 33 open files, 20 before"),
        (Holdings({"frontend": 20}, 301.0 + SPARE_MIB, AT_REST.under_way), "451 MiB, 300 before"),
        (Holdings({"frontend": 20}, 300.0, {"tiny": 1.0}), "tiny is 1, 0 before"),
    ],
)
def test_what_is_left_taken_is_told(now, words):
    left = now.left(AT_REST)
    assert left == ([] if words is None else [words])


def test_faults_are_named_and_the_short_form_has_such():
    assert {fault.name for fault in FAULTS} >= SHORT.keys()
    assert {fault.role for fault in named(["kill", "freeze"])} == {fault.role for fault in FAULTS if fault.role}
    with pytest.raises(ValueError, match="no fault is named 'flood'"):
        named(["flood"])
