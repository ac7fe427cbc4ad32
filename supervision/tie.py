"""Becomes a command whose life is tied to its parent's: `python tie.py PARENT SIGNAL COMMAND ...`.

Run as a file, with nothing imported that is not needed, since it stands before every start of a part. What it sets up
outlives the exec: the kernel sends the signal when the parent is gone, and no signal is blocked or ignored.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Replace this process by the command."""
    parent, death_signal, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != int(parent):  # gone before prctl could see it
        sys.exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.execvp(command[0], command)  # noqa: S606 - the parent's own command


main()
