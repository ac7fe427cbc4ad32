"""Schemathesis over the whole OpenAPI document: every check on every operation, also in sequences along links."""

import re
import subprocess
from pathlib import Path

import httpx

CONFIGURATION = Path(__file__).parent / "schemathesis.toml"
EXAMPLES, SEED = 20, 1


def test_schemathesis_finds_nothing(patient, tmp_path):
    document = f"{patient.url}/openapi.json"
    operations = sum(len(path) for path in httpx.get(document).json()["paths"].values())
    run = subprocess.run(
        ["schemathesis", "--config-file", CONFIGURATION, "run", document, "--checks", "all", "--seed", str(SEED),
         "--max-examples", str(EXAMPLES), "--generation-database", "none", "--no-color"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, cwd=tmp_path,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout
    assert f"Tested: {operations}" in run.stdout
    generated, passed = re.search(r"(\d+) generated, (\d+) passed", run.stdout).groups()
    assert int(passed) == int(generated) > operations * EXAMPLES / 2
    assert "unexpected error" not in patient.output()
