import shutil
import subprocess
import sys

# In a process that inherits orphans, as a container's first one does: a parent that is gone leaves two of them, one of
# which is a backend process; its own child ends meanwhile, whose exit code is not to be lost.
INHERITING = """
import ctypes, os, subprocess, sys, time
from pathlib import Path
from inference_server.models.backend_processes import reap_orphans

def zombies():
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    ended = [Path("/proc", pid) for pid in found if " Z " in Path(f"/proc/{pid}/stat").read_text()]
    return sorted((each / "comm").read_text().strip() for each in ended)

ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER
subprocess.run(["sh", "-c", f"{sys.argv[1]} 0 & {sys.argv[2]} 0 &"], check=True)
own = subprocess.Popen(["sh", "-c", "exit 7"])
deadline = time.monotonic() + 30
while len(zombies()) < 3 and time.monotonic() < deadline:
    time.sleep(0.01)
print(zombies())
reap_orphans()
print(zombies(), own.wait())
reap_orphans()
"""


def test_backend_processes_that_were_inherited_are_let_go_of(tmp_path):
    names = ("triton_python_backend_stub", "another")
    for name in names:
        (tmp_path / name).symlink_to(shutil.which("sleep"))
    command = [sys.executable, "-c", INHERITING, *(str(tmp_path / name) for name in names)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["['another', 'sh', 'triton_python_b']", "['another', 'sh'] 7"], done.stderr
