"""`oncoserve pacs listen`: DCMTK's storescu sends, what comes out goes to a real Orthanc."""

import signal
import subprocess
import time

import pydicom
import pytest

from testbed.picture_files.dicom_files import PLANTED
from testbed.servers import free_port
from tests.integration.pacs.conftest import OURS, everything, kinds, slices, source


class Listening:
    def __init__(self, process, port):
        self.process, self.port = process, port

    def send(self, *paths, options=(), title="ONCOSERVE"):
        return subprocess.run(
            ["/usr/bin/storescu", *options, "-aec", title, "127.0.0.1", str(self.port), *map(str, paths)],
            capture_output=True,
            text=True,
            timeout=60,
        )

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def listen(pacs, tmp_path):
    """Starts the listener, and waits until it answers C-ECHO."""

    def start(*arguments, to, spool=tmp_path / "spool"):
        port = free_port()
        process = pacs("listen", "--port", port, "--spool", spool, *arguments, to=to)
        echo = ["/usr/bin/echoscu", "-aec", "ONCOSERVE", "127.0.0.1", str(port)]
        while subprocess.run(echo, capture_output=True).returncode:
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        return Listening(process, port)

    return start


@pytest.fixture
def images(tmp_path):
    """Files of so many slices."""

    def write(count, seed=0):
        folder = tmp_path / f"images-{seed}"
        folder.mkdir()
        for number, file in enumerate(slices(count, seed)):
            (folder / f"{number}.dcm").write_bytes(file)
        return sorted(folder.iterdir())

    return write


def wait_for(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def waiting(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*.dcm"))


def test_what_is_sent_comes_back_into_its_study_and_nothing_stays(orthanc, listen, images, tmp_path):
    listener = listen(to=orthanc.dicomweb)
    files = images(3)
    done = listener.send(*files)
    assert done.returncode == 0, done.stderr
    wait_for(lambda: kinds(orthanc) == everything(3))
    wait_for(lambda: not waiting(tmp_path / "spool"))
    studies = {tags["0020000D"] for tags in orthanc.instances().values()}
    assert studies == {str(pydicom.dcmread(files[0]).StudyInstanceUID)}
    assert [path.name for path in (tmp_path / "spool").iterdir()] == ["lock"]
    listener.send(*files)  # again
    listener.process.send_signal(signal.SIGTERM)
    printed, _ = listener.process.communicate(timeout=60)
    assert (listener.process.returncode, "6 received" in printed) == (0, True), printed
    assert not any(secret in printed for secret in PLANTED.values())
    assert kinds(orthanc) == everything(3)


def test_compressed_images_come_as_they_are(orthanc, listen, tmp_path):
    listener = listen(to=orthanc.dicomweb)
    path = tmp_path / "rle.dcm"
    path.write_bytes(source("MR_small_RLE.dcm"))
    done = listener.send(path, options=["-xr"])
    assert done.returncode == 0, done.stderr
    wait_for(lambda: kinds(orthanc) == everything(1))


def test_outputs_by_c_store(orthanc, listen, images):
    listener = listen("--send-to", f"ORTHANC@127.0.0.1:{orthanc.dicom_port}", to=None)
    assert listener.send(*images(2)).returncode == 0
    wait_for(lambda: kinds(orthanc) == everything(2))


def test_a_killed_listener_finishes_what_it_has_received_after_its_restart(orthanc, listen, images, tmp_path):
    orthanc.process.send_signal(signal.SIGSTOP)  # nothing can be stored meanwhile
    listener = listen(to=orthanc.dicomweb)
    assert listener.send(*images(3)).returncode == 0
    listener.kill()
    spool = tmp_path / "spool"
    assert len(waiting(spool)) == 3
    assert {oct(path.stat().st_mode & 0o777) for path in (spool, *spool.glob("*/"))} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in spool.glob("*/*.dcm")} == {"0o600"}
    orthanc.process.send_signal(signal.SIGCONT)
    listen(to=orthanc.dicomweb)
    wait_for(lambda: kinds(orthanc) == everything(3))
    wait_for(lambda: not waiting(spool))


def test_an_association_that_breaks_off_is_worked_on_as_far_as_it_came(orthanc, listen, images, tmp_path):
    listener = listen(to=orthanc.dicomweb)
    files = images(1)
    sender = subprocess.Popen(
        ["/usr/bin/storescu", "--repeat", "100000", "-aec", "ONCOSERVE", "127.0.0.1", str(listener.port), str(files[0])]
    )
    spool = tmp_path / "spool"
    wait_for(lambda: len(waiting(spool)) > 2)
    assert all(name.startswith("incoming-") for name in waiting(spool))
    assert kinds(orthanc) == {}  # the association lasts
    sender.kill()
    sender.wait()
    wait_for(lambda: kinds(orthanc) == everything(1))


def test_who_may_send_and_to_whom(orthanc, listen, images):
    listener = listen("--allow", "SCANNER", "ECHOSCU", to=orthanc.dicomweb)
    files = images(1)
    assert listener.send(*files).returncode != 0  # STORESCU
    assert listener.send(*files, options=["-aet", "SCANNER"], title="ANOTHER").returncode != 0
    assert listener.send(*files, options=["-aet", "SCANNER"]).returncode == 0


def test_a_full_spool_turns_away(orthanc, listen, images, tmp_path):
    orthanc.process.send_signal(signal.SIGSTOP)
    listener = listen("--keep-free-mb", str(10**9), to=orthanc.dicomweb)
    done = listener.send(*images(1), options=["-v"])
    assert "OutOfResources" in done.stdout + done.stderr
    assert waiting(tmp_path / "spool") == []
    listener.process.send_signal(signal.SIGTERM)
    assert "0 received, 1 turned away" in listener.process.communicate(timeout=60)[0]


def test_too_large_an_image_is_turned_away(orthanc, listen, tmp_path):
    listener = listen("--max-mb", "1", to=orthanc.dicomweb)
    path = tmp_path / "large.dcm"
    path.write_bytes(source(Rows=1024, Columns=1024, PixelData=bytes(2 * 1024 * 1024)))
    assert listener.send(path).returncode != 0
    assert waiting(tmp_path / "spool") == []
    assert subprocess.run(["/usr/bin/echoscu", "-aec", "ONCOSERVE", "127.0.0.1", str(listener.port)]).returncode == 0


def test_our_own_outputs_are_not_taken(orthanc, listen, pull, images, tmp_path):
    orthanc.take(*(path.read_bytes() for path in images(1)))
    assert pull(orthanc)[0] == 0
    listener = listen(to=orthanc.dicomweb)
    for number, (uid, tags) in enumerate(orthanc.instances().items()):
        if tags["00080016"] in OURS:
            path = tmp_path / f"{number}.dcm"
            path.write_bytes(orthanc.file(uid))
            assert listener.send(path).returncode != 0


def test_a_spool_is_one_listeners(orthanc, listen, pacs, tmp_path):
    listen(to=orthanc.dicomweb)
    other = pacs("listen", "--port", free_port(), "--spool", tmp_path / "spool", to=orthanc.dicomweb)
    printed, _ = other.communicate(timeout=60)
    assert (other.returncode, "Another process uses the spool" in printed) == (2, True)
