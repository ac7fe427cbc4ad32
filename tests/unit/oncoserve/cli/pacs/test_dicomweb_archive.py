import io

import pydicom
import pytest

from oncoserve.cli.client.client_errors import Unreachable, UsageError
from oncoserve.cli.pacs.dicomweb_archive import ArchiveRefused, Listed
from tests.unit.oncoserve.cli.pacs.odd_archive import fails, found, studies

HERE = Listed("1.2", "1.2.3", "1.2.3.4", "", None)


def multipart(data):
    body = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--x--"
    return lambda path, query: (200, 'multipart/related; type="application/dicom"; boundary=x', body)


def failure(reason, status=200):
    failed = {"00081150": {"vr": "UI", "Value": ["1.2"]}, "00081155": {"vr": "UI", "Value": ["1.2.3"]}}
    failed["00081197"] = {"vr": "US", "Value": [reason]}
    return found({"00081198": {"vr": "SQ", "Value": [failed]}}, status)


def test_a_pacs_that_caps_its_answers_is_asked_for_the_rest(odd):
    names = [f"1.2.{number}" for number in range(5)]

    def capped(path, query):
        begin = int(query["offset"])
        return found(studies(*names[begin : begin + 2]))(path, query)

    server, archive = odd(capped)
    assert list(archive.studies({"StudyDate": "20260101-"})) == names
    assert [query["offset"] for _, _, query, _ in server.asked] == ["0", "2", "4", "5"]
    assert {query["StudyDate"] for _, _, query, _ in server.asked} == {"20260101-"}


def test_one_that_gives_the_same_page_for_ever_is_asked_twice(odd):
    server, archive = odd(found(studies("1.2", "1.3")))
    assert list(archive.studies({})) == ["1.2", "1.3"]
    assert len(server.asked) == 2


def test_what_is_no_uid_never_gets_into_an_address(odd):
    _, archive = odd(found([*studies("../../patients", "1.2"), {}, {"0020000D": {"vr": "UI"}}]))
    assert list(archive.studies({})) == ["1.2"]


def test_it_is_waited_for_with_patience_and_as_it_asks(odd):
    _, archive = odd(fails(503, ("Retry-After", "0")), fails(502), found(studies("1.2")))
    assert list(archive.studies({})) == ["1.2"]


def test_without_an_end_it_is_given_up(odd):
    _, archive = odd(fails(503))
    with pytest.raises(Unreachable, match=r"^No answer from the PACS for 1 s: 503 Service Unavailable\.$"):
        list(archive.studies({}))


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (fails(401), UsageError, "does not take the credentials"),
        (fails(404), ArchiveRefused, "refuses to list studies: 404 Not Found."),
        (fails(307, ("Location", "http://127.0.0.1:9/")), UsageError, "sends on to another address"),
        (lambda *_: (200, "text/html", b"<html>Log in"), UsageError, "is not the address of a DICOMweb interface"),
        (lambda *_: (200, "application/json", b'["x"]'), ArchiveRefused, "is no list of objects"),
    ],
    ids=["credentials", "address", "redirect", "page", "json"],
)
def test_what_waiting_does_not_mend_is_told_at_once_without_its_words(odd, answer, error, words):
    server, archive = odd(answer)
    with pytest.raises(error, match=words) as caught:
        list(archive.studies({}))
    assert len(server.asked) == 1
    assert "Doe" not in str(caught.value)


def test_an_instance_comes_as_it_is_byte_for_byte(odd, image):
    file = image()
    server, archive = odd(multipart(file))
    assert archive.fetch(HERE) == file
    ((_, path, _, headers),) = server.asked
    assert path == "/dicom-web/studies/1.2/series/1.2.3/instances/1.2.3.4"
    assert "transfer-syntax=*" in headers["Accept"]


def test_more_than_the_limit_is_not_read(odd, image):
    _, archive = odd(multipart(image(PixelData=bytes(2_000_000))), options=("--max-mb", "1"))
    with pytest.raises(ArchiveRefused, match=r"larger than --max-mb 1\.$"):
        archive.fetch(HERE)


def test_what_is_no_dicom_file_is_refused(odd):
    _, archive = odd(multipart(b"nothing of the kind"))
    with pytest.raises(ArchiveRefused, match=r"cannot be read \(InvalidDicomError\)"):
        archive.fetch(HERE)


def test_storing(odd, image):
    server, archive = odd(found({}))
    archive.store(image())
    ((method, path, _, _),) = server.asked
    study = pydicom.dcmread(io.BytesIO(image())).StudyInstanceUID
    assert (method, path) == ("POST", f"/dicom-web/studies/{study}")


@pytest.mark.parametrize("status", [202, 409])
def test_an_object_that_is_not_taken_is_told_and_one_that_is_there_is_fine(odd, image, status):
    _, archive = odd(failure(0xA700, status), failure(0x0111, status))
    with pytest.raises(ArchiveRefused, match="failure reason A700H"):
        archive.store(image())
    archive.store(image())
