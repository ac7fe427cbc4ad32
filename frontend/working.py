"""`python -m frontend.working`: one process that works on jobs, started by its parent."""

from frontend.http.links import shown
from oncoserve.runtime.logs import dropped_lines
from oncoserve.settings import Settings
from oncoserve.worker_process import run
from supervision.output import unblock_standard_outputs

if __name__ == "__main__":
    unblock_standard_outputs(dropped_lines)
    run(Settings.from_environment(), shown)
