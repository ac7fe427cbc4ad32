"""`python -m oncoserve worker`: a worker with the settings of the environment, until SIGTERM or Ctrl-C."""

import argparse
import sys

from frontend.http.links import shown
from oncoserve.settings import Settings
from oncoserve.worker_process import run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="oncoserve", description="Work on jobs until SIGTERM.")
    parser.add_argument("command", choices=["worker"])
    parser.add_argument("--parent", type=int, metavar="PID", help="end when this process, which started it, has gone")
    try:
        run(Settings.from_environment(), shown, parser.parse_args().parent)
    except ValueError as error:
        sys.exit(f"oncoserve: {error}")
