"""A DICOM series as a job: through the real frontend, its worker process and the real Triton."""

import os
import subprocess
import sys

import httpx
import numpy as np

from testbed.encoded_pictures import scan
from testbed.picture_files.dicom_files import PLANTED, enhanced_mr, mr_series, mr_slice
from testbed.picture_files.zip_files import zipped
from testbed.servers import PROJECT
from tests.integration.jobs.test_jobs import PATIENCE_S, ended, submit
from tests.unit.oncoserve.cli.tables import rows

SLICES = [np.asarray(scan((96, 80), seed)) for seed in range(6)]
STUDY = "1.2.826.0.1.3680043.8.498.7"


def test_a_series_in_an_archive(server, start):
    service = start(server.grpc_url)
    name = PLANTED["PatientName"]
    series = mr_series(SLICES, StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.1")
    report = mr_slice(SLICES[0], StudyInstanceUID=STUDY, PixelData=None, Rows=None, Columns=None)
    files = [(f"{name}/IM{number}", series[place]) for number, place in enumerate([5, 1, 4, 0, 3, 2])]
    archive = zipped([(f"{name}/README.txt", b"hello there"), *files, (f"{name}/SR1", report)])
    job = ended(submit(service, [("images", (f"{name}.zip", archive))]))
    assert [image.name for image in job.images] == ["IM3", "IM1", "IM5", "IM4", "IM2", "IM0", "SR1"]
    assert (job.state, job.images[6].error.code) == ("PARTIAL", "unsupported_image")
    slices = [image.finding.slice for image in job.images[:6]]
    assert [each.position_mm for each in slices] == [3, 8, 13, 18, 23, 28]
    assert {(each.series, each.plane, each.frames, each.mm_per_px) for each in slices} == {
        (job.series[0].series, "axial", 1, 1.0)
    }
    (found,) = job.series
    assert (found.plane, found.images) == ("axial", [0, 1, 2, 3, 4, 5])
    assert {place for places in found.labels.values() for place in places} <= set(range(6))
    assert (found.largest, found.volume_mm3, found.no_volume) == (None, None, "not_outlined")
    # Each slice is the one that its place says.
    asked = httpx.post(f"{service.url}/v1/models/tiny/predict", content=series[2], timeout=60)
    assert asked.json()["id"] == job.images[2].result
    nobody_is_named(service, httpx.get(service.url + job.links["self"], timeout=60).text)


def test_frames_of_one_file(server, start):
    service = start(server.grpc_url)
    data = enhanced_mr(SLICES)
    headers = {"Prefer": "respond-async"}
    address = f"{service.url}/v1/models/tiny/predict"
    later = httpx.post(address, content=data, headers=headers, timeout=60)
    job = ended(service.url + later.headers["location"])
    assert [image.name for image in job.images] == [f"image, frame {number}" for number in range(1, 7)]
    assert [image.finding.slice.frame for image in job.images] == [1, 2, 3, 4, 5, 6]
    assert [image.finding.slice.position_mm for image in job.images] == [3, 8, 13, 18, 23, 28]
    assert all("one_of_several_frames" not in image.finding.warnings for image in job.images)
    one = httpx.post(address, content=data, headers=headers, params={"frame": 2}, timeout=60)
    (image,) = ended(service.url + one.headers["location"]).images
    assert (image.finding.slice.frame, image.finding.slice.position_mm) == (2, 8)
    nobody_is_named(service, later.text)


def nobody_is_named(service, answer):
    """In the log, and in what a caller gets, but for the names that it gave itself."""
    for what in (service.output(), answer):
        for keyword in ("PatientID", "PatientBirthDate", "AccessionNumber", "StudyDate"):
            assert PLANTED[keyword] not in what, keyword
        assert STUDY not in what
    assert PLANTED["PatientName"] not in service.output()


def test_a_folder_of_series_by_the_command(server, start, tmp_path):
    """Names say nothing of where slices lie, and are those of another folder, too."""
    service = start(server.grpc_url)
    series = mr_series(SLICES[:3])
    placed = {"a/IM1": series[2], "a/IM2": series[0], "b/IM1": series[1], "b/stack.dcm": enhanced_mr(SLICES[3:5])}
    for name, data in placed.items():
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    out = tmp_path / "out"
    options = ["--model", "tiny", "--out", out, "--url", service.url, "--recursive"]
    command = [sys.executable, "-m", "oncoserve", "predict", tmp_path / "scans", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONCO_")}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    found = rows(out)
    positions = {name: row["image.dicom.position_mm"] for name, row in found.items()}
    frames = {"b/stack.dcm, frame 1": "3.0", "b/stack.dcm, frame 2": "8.0", "b/stack.dcm": ""}
    assert positions == {"a/IM1": "13.0", "a/IM2": "3.0", "b/IM1": "8.0", **frames}
    assert len({found[name]["image.dicom.series"] for name in ("a/IM1", "a/IM2", "b/IM1")}) == 1
