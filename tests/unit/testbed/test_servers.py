"""What starts the servers of all other tests: it tells why one did not come up, and leaves none behind."""

import socket
import sys
import threading
import time

import pytest

from testbed.failures import ServerFailed
from testbed.servers import Server, free_port

WAIT_FOR_EVER = "import signal; signal.pause()"


def server(folder, code, timeout_s=60.0, kind=Server):
    return kind([sys.executable, "-c", code], f"http://127.0.0.1:{free_port()}/", {}, folder / "server.log", timeout_s)


def test_one_that_dies_says_what_it_said(tmp_path):
    with pytest.raises(ServerFailed, match="ended before it was ready\nno such model"):
        server(tmp_path, "import sys; sys.exit('no such model')").__enter__()


def test_one_that_is_not_ready_in_time_is_ended(tmp_path):
    started = server(tmp_path, WAIT_FOR_EVER, timeout_s=0.1)
    with pytest.raises(ServerFailed, match=r"not ready after 0\.1 s"):
        started.__enter__()
    assert started.process.poll() is not None


def test_ctrl_c_while_it_starts_leaves_nothing_behind(tmp_path):
    class Interrupted(Server):
        def is_ready(self):
            raise KeyboardInterrupt

    started = server(tmp_path, WAIT_FOR_EVER, kind=Interrupted)
    with pytest.raises(KeyboardInterrupt):
        started.__enter__()
    assert started.process.poll() is not None


def test_one_that_was_not_started_has_no_process(tmp_path):
    with pytest.raises(ServerFailed, match="not started"):
        server(tmp_path, WAIT_FOR_EVER).stop()


def test_one_that_does_not_listen_to_signals_is_killed(tmp_path):
    deaf = server(
        tmp_path, "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    )
    deaf.start()
    while "deaf" not in deaf.output():
        time.sleep(0.01)
    with pytest.raises(ServerFailed, match=r"did not end within 0\.1 s"):
        deaf.stop(timeout_s=0.1)
    assert deaf.process.poll() == -9


def test_an_answer_that_is_not_http_is_not_ready(tmp_path):
    """As of a port that something else has taken."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"\0\0\22\4 this is HTTP/2\r\n\r\n")

        other = threading.Thread(target=answer)
        other.start()
        asked = Server([], f"http://127.0.0.1:{listening.getsockname()[1]}/", {}, tmp_path / "server.log")
        assert not asked.is_ready()
        other.join()
