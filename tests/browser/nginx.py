"""nginx in front of a frontend: with the configuration that the documentation gives, and with ones that strip."""

import shutil
import subprocess
from pathlib import Path

from testbed.servers import PROJECT, FrontendServer, Server, free_ports

EXAMPLE = PROJECT / "deploy/proxy/nginx.conf"
ROOT = "/oncology"

AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/example.conf;
    upstream kept {{
        server 127.0.0.1:{upstream};
        keepalive 2;
    }}
    server {{
        listen 127.0.0.1:{plain};
        client_max_body_size 260m;
        location {root}/ {{ proxy_pass http://127.0.0.1:{upstream}/; }}
        location /elsewhere/ {{
            proxy_pass http://127.0.0.1:{upstream}/;
            proxy_set_header X-Forwarded-Prefix /elsewhere;
        }}
        location /upgrading/ {{
            proxy_pass http://kept/;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }}
    }}
}}
"""


class Nginx(Server):
    """An unprivileged nginx on free ports.

    Args:
        frontend: what it is in front of.
        folder: gets its files.

    Attributes:
        url: where it passes addresses on as they are, with TLS, by the example.
        stripping_url: where it takes the path away, which only the frontend's settings tell then.
        elsewhere_url: where it takes another path away, and says so.
        upgrading_url: where it passes on what clients offer beside HTTP/1.1, as for WebSockets, on connections that it
            keeps for all of them.
    """

    def __init__(self, frontend: FrontendServer, folder: Path) -> None:
        secure, redirecting, plain = free_ports(3)
        self.url = f"https://127.0.0.1:{secure}{ROOT}"
        self.redirecting_url = f"http://127.0.0.1:{redirecting}{ROOT}"
        self.stripping_url = f"http://127.0.0.1:{plain}{ROOT}"
        self.elsewhere_url = f"http://127.0.0.1:{plain}/elsewhere"
        self.upgrading_url = f"http://127.0.0.1:{plain}/upgrading"
        self.certificate = folder / "certificate.pem"
        self.access_log = folder / "access.log"
        _certify(self.certificate, folder / "key.pem")
        example = EXAMPLE.read_text()
        for theirs, ours in (
            ("server 127.0.0.1:5000;", f"server 127.0.0.1:{frontend.port};"),
            ("listen 80;", f"listen 127.0.0.1:{redirecting};"),
            ("listen 443 ", f"listen 127.0.0.1:{secure} "),
            ("/etc/ssl/certs/hospital.example.pem", str(self.certificate)),
            ("/etc/ssl/private/hospital.example.key", str(folder / "key.pem")),
        ):
            assert example.count(theirs) == 1, theirs
            example = example.replace(theirs, ours)
        (folder / "example.conf").write_text(example)
        around = AROUND.format(folder=folder, plain=plain, upstream=frontend.port, root=ROOT)
        (folder / "nginx.conf").write_text(around)
        argv = ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]
        super().__init__(argv, f"{self.stripping_url}/readyz", {}, folder / "nginx.log")

    @staticmethod
    def missing() -> str:
        """What is not installed; empty if nothing is."""
        return ", ".join(name for name in ("nginx", "openssl") if shutil.which(name) is None)


def _certify(certificate: Path, key: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
