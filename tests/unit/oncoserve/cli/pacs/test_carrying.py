import hashlib

import pytest
from starlette.responses import Response

from oncoserve.cli.client.client_errors import Refused, Unreachable
from oncoserve.cli.client.service_client import ServiceClient
from oncoserve.cli.pacs.carrying import Carrier, ImageRefused
from oncoserve.cli.pacs.tally import Tally
from tests.unit.oncoserve.cli.stub import answer, problem


@pytest.fixture
def carry(stub):
    """Carries an image to the stub; gives what was delivered and the counts."""

    def run(file, kinds=("sr", "seg"), **options):
        service = ServiceClient(stub.url, None, 1)
        delivered, tally = [], Tally()
        try:
            Carrier(service, "tiny", {}, kinds).carry(file, lambda one: delivered.append(one) or True, tally, **options)
        finally:
            service.close()
        return delivered, tally

    return run


def outputs(stub, image, **by_kind):
    """Lets the result of an image have these files, or answer so."""
    result = hashlib.sha256(image).hexdigest()[:32]
    for kind, what in by_kind.items():
        reply = what if isinstance(what, Response) else Response(what, media_type="application/dicom")
        stub.faults["GET", f"/v1/results/{result}/{kind}.dcm"].append(answer(reply))


def test_the_report_comes_last(stub, carry, image):
    file = image()
    outputs(stub, file, seg=image(SOPInstanceUID="1.2.1"), sr=image(SOPInstanceUID="1.2.2"))
    delivered, tally = carry(file)
    assert [(one.kind, one.uid) for one in delivered] == [("seg", "1.2.1"), ("sr", "1.2.2")]
    assert (tally.asked, tally.stored) == (1, 2)


def test_nothing_to_segment_is_no_failure_and_an_odd_one_does_not_hold_up_the_rest(stub, carry, image):
    file = image()
    outputs(stub, file, seg=problem(404, "nothing_to_segment", "None."), sr=image())
    assert carry(file)[1].nothing == 1
    outputs(stub, file, seg=problem(422, "evidence_failed", "Odd."), sr=image())
    delivered, tally = carry(file)
    assert [one.kind for one in delivered] == ["sr"]
    assert tally.refused == {"evidence_failed": 1}


def test_a_service_without_such_files_ends_it(stub, carry, image):
    file = image()
    outputs(stub, file, seg=problem(404, "not_found", "There is nothing."))
    with pytest.raises(Refused):
        carry(file)


@pytest.mark.parametrize("status", [422, 502])
def test_an_image_that_is_refused_is_told_from_a_service_that_is_away(stub, carry, image, status):
    path = ("POST", "/v1/models/tiny/predict")
    code = {422: "out_of_scope", 502: "inference_failed"}[status]
    stub.faults[path].extend([answer(problem(status, code, "No."))] * 9)
    with pytest.raises(ImageRefused, match={422: "out_of_scope", 502: "http_502"}[status]):
        carry(image())
    stub.faults[path].clear()
    stub.faults[path].extend([answer(problem(503, "too_busy", "Busy."))] * 9)
    with pytest.raises(Unreachable):
        carry(image())


def test_each_frame_but_those_that_are_done(stub, carry, image):
    file = image(NumberOfFrames=3)
    for _ in range(2):
        outputs(stub, file, seg=image(), sr=image())
    tally = carry(file, left_out=lambda frame: frame == 2)[1]
    assert tally.asked == 2


def test_a_limit_on_requests_is_kept(stub, carry, image):
    file = image()
    outputs(stub, file, seg=image(), sr=image())
    stub.faults["POST", "/v1/models/tiny/predict"].append(answer(problem(429, "x", "Slow.", **{"Retry-After": "1"})))
    assert carry(file)[1].asked == 1
