"""The client against the real service: a worker, the real Triton, brain_mri."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from oncoserve.cli.client import run_state as states
from testbed.encoded_pictures import encoded, noise
from tests.unit.oncoserve.cli.tables import rows

PATIENCE_S = 240  # only a test that fails waits that long


def test_a_folder_with_good_and_bad_pictures(service, client, pictures, tmp_path):
    folder = pictures(3, seed=1)
    (folder / "text.png").write_text("not a picture")
    (folder / "cut.png").write_bytes(encoded(noise((300, 300)))[:2000])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "vast.png").write_bytes(encoded(noise((300, 300))) + b"x" * 3_000_000)
    (folder / "vaster.png").write_bytes(b"x" * 3_000_001)
    process = client(folder, "--files", "overlay.png")
    assert process.wait(PATIENCE_S) == 1, process.communicate()
    table = rows(tmp_path / "out")
    assert {name: row["error"] for name, row in table.items() if row["state"] == "FAILED"} == {
        "text.png": "unsupported_image", "cut.png": "corrupt_image", "empty.jpg": "empty_upload",
        "vast.png": "upload_too_large", "vaster.png": "upload_too_large",
    }  # fmt: skip
    assert "not sent" in table["vaster.png"]["detail"]
    for number in range(3):
        name = f"1-{number:03}.png"
        with httpx.Client(base_url=service.url, timeout=PATIENCE_S) as http:
            direct = http.post("/v1/models/brain_mri/predict", files={"image": (folder / name).read_bytes()})
        assert direct.headers["cache-status"] == "oncoserve; hit"
        assert table[name]["result"] == direct.json()["id"]
        assert float(table[name]["undetermined.value"]) == direct.json()["undetermined"]["value"]  # noise is no slice
        files = tmp_path / "out/images" / name
        assert json.loads((files / "result.json").read_text()) == direct.json() | {"timings_ms": _timings(files)}
        assert (files / "overlay.png").read_bytes().startswith(b"\x89PNG")


def _timings(files):
    return json.loads((files / "result.json").read_text())["timings_ms"]


def test_interrupted_again_and_again_nothing_is_doubled_and_nothing_lost(client, pictures, sent, tmp_path):
    """It is stopped while it sends (twice) and while it fetches, and its state is never ahead of the service's.

    By Ctrl-C and by kill -9, side by side.
    """

    def interrupt(how):
        folder, out = pictures(24, seed=how), tmp_path / f"out-{how}"
        arguments = (folder, "--job-images", "2", "--files", "overlay.png")
        for stop_here in (lambda s: len(s.jobs) >= 3, lambda s: len(s.jobs) >= 7, lambda s: len(s.done) >= 4):
            process = client(*arguments, out=out)
            _wait(process, out, stop_here)
            process.send_signal(how)
            _, words = process.communicate(timeout=PATIENCE_S)
            assert (process.returncode, "the same command goes on" in words) in {(130, True), (-9, False), (0, False)}
        process = client(*arguments, out=out)
        assert process.wait(PATIENCE_S) == 0, process.communicate()
        assert sent(seed=how) == dict.fromkeys([f"{how}-{number:03}.png" for number in range(24)], 1)
        assert {row["state"] for row in rows(out).values()} == {"SUCCEEDED"}
        assert len(rows(out)) == len([*out.glob("images/*/result.json")]) == 24
        assert len([*out.glob("images/*/overlay.png")]) == 24

    with ThreadPoolExecutor() as pool:
        ways = [pool.submit(interrupt, int(how)) for how in (signal.SIGINT, signal.SIGKILL)]
    for way in ways:
        way.result()


def _state(path):
    """What is noted so far, read beside the client that writes it."""
    state = states.RunState({}, path)
    for line in path.read_bytes().splitlines(keepends=True)[1:] if path.exists() else []:
        if line.endswith(b"\n"):
            state.apply(json.loads(line))
    return state


def _wait(process, out, condition, timeout_s=PATIENCE_S):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None or condition(_state(out / states.FILE)):
            return
        time.sleep(0.005)
    pytest.fail("it did not come so far")


def test_the_service_goes_away_in_the_middle_and_comes_back(service, client, pictures, sent, tmp_path):
    folder, out = pictures(12, seed=5), tmp_path / "out"
    process = client(folder, "--job-images", "1")
    _wait(process, out, lambda state: len(state.jobs) >= 2)
    process.send_signal(signal.SIGSTOP)  # or it could send all that is left before the service is gone
    service.kill()
    assert len(_state(out / states.FILE).jobs) < 12, "all had been sent before the service went away"
    process.send_signal(signal.SIGCONT)
    service.start()
    service.wait_ready()
    assert process.wait(PATIENCE_S) == 0, process.communicate()
    names = sent(seed=5)
    assert len(rows(out)) == len(names) == 12
    assert max(names.values()) == 1
