"""Output that nobody reads costs lines, and nothing else."""

import fcntl
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from supervision.output import UnblockedOutput

PIPE_BYTES = 4096
LINE = "x" * 99
ROOM_BYTES = 20_000


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    with os.fdopen(reader) as lines, os.fdopen(writer, "wb") as end:
        yield lines, end


def everything(output, lines, end):
    """What comes out until the output has finished."""
    with ThreadPoolExecutor() as pool:
        read = pool.submit(lines.read)
        output.finish(60)
        end.close()
        return read.result().splitlines()


def test_lines_come_in_order_however_they_are_written(pipe):
    lines, end = pipe
    output = UnblockedOutput(end.fileno(), str)
    print("one", 2, file=output)
    output.write("three\nfo")
    output.write("ur\nfive")
    assert everything(output, lines, end) == ["one 2", "three", "four", "five"]


def test_what_nobody_reads_is_dropped_counted_and_said(pipe):
    lines, end = pipe
    counted = []
    output = UnblockedOutput(end.fileno(), lambda count: f"missing {count}", ROOM_BYTES)
    output.count_dropped = counted.append
    for _ in range(1000):
        print(LINE, file=output)
    came = everything(output, lines, end)
    # Once for each gap: there are two where the pipe took the first lines only when others had been dropped.
    said = [line.removeprefix("missing ") for line in came if line != LINE]
    assert 1 <= len(said) <= 2
    assert sum(map(int, said)) == sum(counted) > 0
    assert came.count(LINE) == 1000 - sum(counted) >= ROOM_BYTES // 100


def test_a_pipe_without_a_reader_is_survived():
    reader, writer = os.pipe()
    os.close(reader)
    counted = []
    output = UnblockedOutput(writer, str)
    output.count_dropped = counted.append
    print(LINE, file=output)
    output.finish()
    assert counted == [1]
    os.close(writer)


def test_a_process_ends_although_nobody_reads(pipe):
    _, end = pipe
    code = (
        "import sys; from supervision.output import unblock_standard_outputs; unblock_standard_outputs(str)\n"
        f"for _ in range(1000): print('{LINE}', file=sys.stderr)\n"
        "print('here')\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=end, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"here\n")
    assert time.monotonic() - began < 30
