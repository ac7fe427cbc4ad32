import errno

import pytest

from frontend.http.problems import translate
from oncoserve.errors import TooManyConnections


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENFILE, "Too many open files in system"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        MemoryError(),
        ExceptionGroup("tasks", [OSError(errno.ENOSPC, "No space left on device")]),
    ],
    ids=repr,
)
def test_want_of_what_the_machine_has_is_no_defect(error):
    ours = translate(error)
    assert (ours.status, ours.code) == (503, "out_of_resources")
    assert ours.retry_after_s >= 1


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "x"), OSError("x"), ValueError("x")], ids=repr)
def test_other_errors_are_defects(error):
    assert translate(error).status == 500


def test_a_task_s_own_error_is_found_in_its_group():
    assert translate(ExceptionGroup("tasks", [OSError(errno.EMFILE, "x"), ValueError()])).code == "out_of_resources"
    assert translate(TooManyConnections(5)).code == "too_many_connections"
