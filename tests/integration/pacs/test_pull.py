"""`oncoserve pacs pull` against a real Orthanc and the real service."""

import io
import json
import signal
import time

import pydicom
from pydicom.uid import generate_uid

from testbed.pacs.orthanc import PASSWORD
from testbed.picture_files.dicom_files import PLANTED
from tests.integration.pacs.conftest import everything, kinds, slices, source

CODINGS = ("MR_small_RLE.dcm", "MR_small_jp2klossless.dcm", "MR_small_jpeg_ls_lossless.dcm", "MR_small_bigendian.dcm")


def study_of(file):
    return str(pydicom.dcmread(io.BytesIO(file)).StudyInstanceUID)


def test_what_comes_out_is_stored_beside_each_image_once(orthanc, pull):
    files = slices(3)
    orthanc.take(*files)
    assert pull(orthanc) == (0, "1 study, 3 images; 3 asked about, 0 done before; 9 stored, 0 already there.\n")
    assert kinds(orthanc) == everything(3)
    studies = {tags["0020000D"] for tags in orthanc.instances().values()}
    assert studies == {study_of(files[0])}
    before = orthanc.instances()
    # One of them is asked about again, to learn how it is asked; the service has its result.
    again = "1 study, 3 images; 1 asked about, 2 done before; 0 stored, 3 already there.\n"
    assert pull(orthanc) == (0, again)
    assert orthanc.instances() == before


def test_images_are_fetched_as_they_are_coded(orthanc, pull):
    orthanc.take(*(source(name, SOPInstanceUID=generate_uid()) for name in CODINGS))
    code, printed = pull(orthanc)
    assert code == 0, printed
    assert kinds(orthanc) == everything(len(CODINGS))


def test_every_frame_is_asked_about_and_some_have_nothing_to_segment(orthanc, pull):
    orthanc.take(source("emri_small.dcm"))
    told = "1 study, 1 image; 10 asked about, 0 done before; 27 stored, 0 already there; 3 with nothing to store.\n"
    assert pull(orthanc) == (0, told)
    assert kinds(orthanc) == {"seg": 7, "sc": 10, "sr": 10}


def test_a_dry_run_stores_nothing(orthanc, pull):
    orthanc.take(*slices(2))
    code, printed = pull(orthanc, "--dry-run")
    assert (code, "2 left to ask about" in printed) == (0, True)
    assert kinds(orthanc) == {}


def test_only_what_is_asked_for(orthanc, pull, tmp_path):
    wanted, other = slices(2), slices(1, seed=1)
    orthanc.take(*wanted, *other)
    report = tmp_path / "report.jsonl"
    code, printed = pull(orthanc, "--study", study_of(wanted[0]), "--outputs", "sr", "--limit", "1", "--report", report)
    assert (code, "1 left to ask about" in printed) == (0, True)
    assert kinds(orthanc) == {"sr": 1}
    (line,) = map(json.loads, report.read_text().splitlines())
    assert (line["study"], line["asked"], line["stored"]) == (study_of(wanted[0]), 1, 1)
    assert pull(orthanc, "--modality", "CT")[1].startswith("0 studies")
    assert pull(orthanc, "--since", "2026-01-01")[1].startswith("0 studies")


def test_a_bad_image_does_not_stop_the_others(orthanc, pull):
    good, bad = slices(2)
    dataset = pydicom.dcmread(io.BytesIO(bad))
    dataset.PixelData = dataset.PixelData[:100]
    damaged = io.BytesIO()
    pydicom.dcmwrite(damaged, dataset)
    orthanc.take(damaged.getvalue(), good)
    code, printed = pull(orthanc)
    assert code == 1
    assert "1 refused by the service (1 x corrupt_image)" in printed
    assert kinds(orthanc) == everything(1)


def test_two_runs_at_once_store_everything_once(orthanc, pacs):
    orthanc.take(*slices(2))
    runs = [pacs("pull", to=orthanc.dicomweb) for _ in range(2)]
    printed = [run.communicate(timeout=120)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], printed
    assert kinds(orthanc) == everything(2)


def test_a_run_that_is_killed_goes_on_with_the_next(orthanc, pacs, pull):
    count = 6
    orthanc.take(*slices(count))
    for kill, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGTERM, 130)):
        before = kinds(orthanc).total()
        run = pacs("pull", to=orthanc.dicomweb)
        while kinds(orthanc).total() == before:
            time.sleep(0.02)
        run.send_signal(kill)
        printed, _ = run.communicate(timeout=60)
        assert run.returncode == code, printed
        assert 0 < kinds(orthanc).total() < 3 * count
        assert "Traceback" not in printed
    assert pull(orthanc)[0] == 0
    assert kinds(orthanc) == everything(count)


def test_what_is_new_is_seen_while_it_watches(orthanc, pacs, tmp_path):
    alive = tmp_path / "alive"
    run = pacs("pull", "--watch", "1", "--alive", alive, to=orthanc.dicomweb)
    for count in (1, 2):
        orthanc.take(*slices(1, seed=count))
        deadline = time.monotonic() + 60
        while kinds(orthanc) != everything(count) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert kinds(orthanc) == everything(count)
    assert alive.exists()
    run.send_signal(signal.SIGTERM)
    printed, _ = run.communicate(timeout=60)
    assert run.returncode == 0, printed


def test_no_patient_and_no_secret_is_told(orthanc, pull):
    files = slices(1)
    orthanc.take(*files)
    printed = "".join(pull(orthanc, *more)[1] for more in ([], ["--dry-run"]))
    dataset = pydicom.dcmread(io.BytesIO(files[0]))
    for secret in (*PLANTED.values(), PASSWORD, dataset.StudyInstanceUID, dataset.SOPInstanceUID):
        assert str(secret) not in printed, secret
