import os

import pytest

from oncoserve.runtime.machine import BYTES_OF_A_PROCESS, MOST, cores, memory_bytes, processes

MANY = 64


@pytest.fixture(autouse=True)
def large(monkeypatch):
    """A machine of many cores and much memory."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(MANY))
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 2**12, "SC_PHYS_PAGES": 2**28}.__getitem__)


@pytest.mark.parametrize(
    ("cpu", "memory", "count"),
    [
        ("max 100000", "max", MOST),
        ("200000 100000", "max", 2),
        ("150000 100000", "max", 2),
        ("50000 100000", "max", 1),
        ("max 100000", str(2 * BYTES_OF_A_PROCESS), 2),
        ("max 100000", str(BYTES_OF_A_PROCESS // 2), 1),
        ("nonsense", "nonsense", MOST),
    ],
)
def test_as_many_as_a_container_may_have(tmp_path, cpu, memory, count):
    (tmp_path / "cpu.max").write_text(f"{cpu}\n")
    (tmp_path / "memory.max").write_text(f"{memory}\n")
    assert processes(tmp_path) == count


def test_without_a_group_it_is_the_machine(tmp_path, monkeypatch):
    assert (cores(tmp_path), memory_bytes(tmp_path), processes(tmp_path)) == (MANY, 2**40, MOST)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(1))
    assert processes(tmp_path) == 1
