"""A certificate for servers of 127.0.0.1 that vouches for itself."""

import subprocess
from pathlib import Path


def write_certificate(folder: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """Paths of a new certificate and of its key, PEM.

    Args:
        folder: gets them.
        name: the address, by number, that it is for.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    command += ["-addext", f"subjectAltName=IP:{name}", "-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], capture_output=True, check=True)  # noqa: S603 - ours
    return certificate, key
