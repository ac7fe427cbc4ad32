"""The first process of a container, played by one that orphans fall to as they do there."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import psutil
import pytest

SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, linux/prctl.h
FIRST = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({SUBREAPER}, 1)
from supervision.first_process import run_as_first
sys.exit(run_as_first([sys.executable, "-c", sys.argv[1]], os.environ))
"""
TAKES_STOP_SIGNALS = """
    import signal, sys
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    print("ready", flush=True)
    signal.pause()
"""


def started(program):
    command = [sys.executable, "-c", FIRST, textwrap.dedent(program)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("import sys; sys.exit(3)", 3),
        ("pass", 0),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 128 + signal.SIGKILL),
    ],
)
def test_it_ends_as_the_command_does(program, code):
    with started(program) as first:
        assert first.wait(30) == code


def test_it_passes_stop_signals_on():
    with started(TAKES_STOP_SIGNALS) as first:
        assert first.stdout.readline() == "ready\n"
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 7


def test_a_stop_signal_that_comes_too_early_waits():
    with started(f"import time; time.sleep(1){TAKES_STOP_SIGNALS.replace(chr(10) + '    ', chr(10))}") as first:
        while not psutil.Process(first.pid).children():
            time.sleep(0.01)
        first.send_signal(signal.SIGTERM)
        assert first.wait(30) == 7


def test_what_has_lost_its_parent_is_buried():
    """A child makes twenty of its own and ends before them: they fall to the first process, as in a container."""
    program = """
        import subprocess, sys, time
        orphans = "import subprocess; [subprocess.Popen(['sleep', '0.5']) for _ in range(20)]"
        subprocess.run([sys.executable, "-c", orphans])
        print("left", flush=True)
        time.sleep(60)
    """
    with started(program) as first:
        assert first.stdout.readline() == "left\n"
        assert len(psutil.Process(first.pid).children()) > 10
        deadline = time.monotonic() + 20
        while len(psutil.Process(first.pid).children()) > 1:
            assert time.monotonic() < deadline, psutil.Process(first.pid).children()
            time.sleep(0.05)
        (command,) = psutil.Process(first.pid).children()
        os.kill(command.pid, signal.SIGKILL)
        assert first.wait(30) == 128 + signal.SIGKILL
