"""The page's library is the published file that the lock names, with its licence, and nobody has to have npm."""

import base64
import hashlib
import json
from pathlib import Path

LOCKED, SHIPPED = Path("frontend/pages/vendor"), Path("frontend/pages/static/vendor")


def test_the_files_are_those_that_were_recorded():
    lines = [line.split() for line in (LOCKED / "SHA256SUMS").read_text().splitlines()]
    assert {name for _, name in lines} == {path.name for path in SHIPPED.iterdir()}
    for recorded, name in lines:
        assert hashlib.sha256((SHIPPED / name).read_bytes()).hexdigest() == recorded, name


def test_the_lock_pins_by_content_and_names_no_registry():
    text = (LOCKED / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]
    wanted = json.loads((LOCKED / "package.json").read_text())["dependencies"]
    assert {name.removeprefix("node_modules/") for name in packages if name} == set(wanted)
    for name, version in wanted.items():
        locked = packages[f"node_modules/{name}"]
        assert locked["version"] == version
        assert len(base64.b64decode(locked["integrity"].removeprefix("sha512-"))) == hashlib.sha512().digest_size
        assert f"//! {name} {version}\n" in (SHIPPED / f"{name}.min.js").read_text()
    assert "resolved" not in text


def test_the_licence_goes_with_it():
    assert "Redistribution and use in source and binary forms" in (SHIPPED / "openseadragon.LICENSE.txt").read_text()
