"""The recipe of docs/load_testing.md: NVIDIA's own load generator against our Triton."""

import re
import subprocess

import pytest

from testbed.servers import PROJECT

FEW = "--measurement-mode count_windows --measurement-request-count 10 --stability-percentage 999 --max-trials 3"


@pytest.fixture(scope="module")
def perf_analyzer(unavailable):
    """Runs it as `make perf-analyzer` does, with these arguments; installs it where that was not done yet."""
    done = subprocess.run(["make", "build/perf_analyzer/.installed"], cwd=PROJECT, capture_output=True, text=True)
    if done.returncode:
        unavailable("triton", f"perf_analyzer cannot be installed here: {done.stderr.strip().splitlines()[-1]}")

    def run(*arguments):
        command = ["make", "perf-analyzer", f"PERF_ARGS={' '.join((*arguments, FEW))}"]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.long
def test_it_measures_a_model_by_its_own_configuration(perf_analyzer, tiny_triton):
    code, output = perf_analyzer("-m tiny -u", tiny_triton.grpc_url, "--concurrency-range 2")
    assert code == 0, output
    assert float(re.search(r"Concurrency: 2, throughput: ([\d.]+) infer/sec", output)[1]) > 0
    assert "Avg request latency" in output  # what Triton itself counted


def test_the_restricted_protocols_are_named(perf_analyzer, tiny_triton):
    code, output = perf_analyzer("-m tiny -u", tiny_triton.grpc_url, "--shared-memory system")
    assert code != 0
    assert "This protocol is restricted" in output
