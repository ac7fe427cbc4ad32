"""A PACS that is away, dies, freezes, or does not trust us."""

import signal
import subprocess
import time

import pytest

from testbed.pacs.orthanc import Orthanc
from testbed.servers import Server, free_ports
from tests.integration.pacs.conftest import everything, kinds, slices

DOOR = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_max_body_size 100m;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{plain}; location / {{ return 200; }} }}
    server {{
        listen 127.0.0.1:{secure} ssl; ssl_certificate {folder}/c.pem; ssl_certificate_key {folder}/k.pem;
        ssl_client_certificate {folder}/c.pem; ssl_verify_client {clients};
        location / {{ proxy_pass {behind}; }}
    }}
}}
"""


@pytest.fixture
def secure_door(orthanc, tmp_path):
    """Starts nginx with TLS before a PACS; its certificate is its own authority, and that of clients."""
    started = []

    def start(clients="off"):
        folder = tmp_path / "door"
        folder.mkdir()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "k.pem", "-out", folder / "c.pem"],
            check=True, capture_output=True,
        )  # fmt: skip
        secure, plain = free_ports(2)
        text = DOOR.format(folder=folder, plain=plain, secure=secure, clients=clients, behind=orthanc.url)
        (folder / "nginx.conf").write_text(text)
        argv = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        server = Server(argv, f"http://127.0.0.1:{plain}/", {}, folder / "nginx.log")
        started.append(server)
        server.__enter__()
        return f"https://127.0.0.1:{secure}/dicom-web", folder / "c.pem", folder / "k.pem"

    yield start
    for server in started:
        server.stop()


def test_tls_by_an_authority_of_ones_own(orthanc, pull, secure_door):
    orthanc.take(*slices(1))
    url, certificate, _ = secure_door()
    code, printed = pull(orthanc, to=url)
    assert (code, "not trusted" in printed) == (2, True), printed
    code, printed = pull(orthanc, "--ca-file", certificate, to=url)
    assert (code, kinds(orthanc)) == (0, everything(1)), printed


def test_a_certificate_of_ours(orthanc, pull, secure_door):
    orthanc.take(*slices(1))
    url, certificate, key = secure_door(clients="on")
    assert pull(orthanc, "--ca-file", certificate, to=url)[0] == 2
    ours = ["--ca-file", certificate, "--client-cert", certificate, "--client-key", key]
    assert pull(orthanc, *ours, to=url)[0] == 0
    assert kinds(orthanc) == everything(1)


def test_a_wrong_password(orthanc, pull):
    code, printed = pull(orthanc, password="wrong")  # noqa: S106
    assert (code, "does not take the credentials" in printed) == (2, True)
    assert "wrong" not in printed


def test_nobody_is_there(tmp_path, pull):
    orthanc = Orthanc(tmp_path)  # is not started
    code, printed = pull(orthanc, "--patience-s", "1")
    assert (code, "No answer from the PACS for 1 s" in printed) == (3, True), printed


def test_a_pacs_that_dies_meanwhile_is_waited_for(orthanc, pacs):
    count = 4
    orthanc.take(*slices(count))
    run = pacs("pull", "--patience-s", "30", to=orthanc.dicomweb)
    while not kinds(orthanc).total():
        time.sleep(0.05)
    orthanc.kill()
    orthanc.start()
    orthanc.wait_ready()
    printed, _ = run.communicate(timeout=120)
    assert run.returncode == 0, printed
    assert kinds(orthanc) == everything(count)


def test_a_pacs_that_stays_frozen_is_given_up_and_the_rest_comes_with_the_next_run(orthanc, pacs, pull):
    orthanc.take(*slices(2))
    run = pacs("pull", "--patience-s", "2", to=orthanc.dicomweb)
    while not kinds(orthanc).total():
        time.sleep(0.05)
    orthanc.process.send_signal(signal.SIGSTOP)
    printed, _ = run.communicate(timeout=60)
    orthanc.process.send_signal(signal.SIGCONT)
    assert (run.returncode, "No answer from the PACS for 2 s: it took too long" in printed) == (3, True), printed
    assert pull(orthanc)[0] == 0
    assert kinds(orthanc) == everything(2)
