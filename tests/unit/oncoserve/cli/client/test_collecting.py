import pytest

from oncoserve.cli.client import collecting
from oncoserve.cli.client.collecting import Collector
from oncoserve.cli.client.results_table import write_table
from oncoserve.cli.client.run_state import FILE, RunState
from oncoserve.cli.client.service_client import ServiceClient
from tests.unit.oncoserve.cli.client.test_sending import send
from tests.unit.oncoserve.cli.stub import Stub, answer, problem


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def collect(stub, state, out, *renderings, sleep=lambda _: None):
    service = ServiceClient(stub.url, None, 5, sleep)
    try:
        Collector(service, renderings, state, out, lambda _: None).collect()
    finally:
        service.close()
    return state.done


def test_it_waits_until_all_have_ended(folder, out):
    slept = []
    with Stub(pace=1) as stub:
        done = collect(stub, send(stub, folder, out), out, sleep=slept.append)
    assert {each.state for each in done.values()} == {"SUCCEEDED"}
    assert len(slept) == 4


def test_a_job_that_is_gone_or_expired_fails_its_pictures(stub, folder, out):
    state = send(stub, folder, out, max_images=2)
    first, second, _ = stub.jobs
    del stub.jobs[first]
    stub.jobs[second]["state"] = "EXPIRED"
    stub.pace = 0
    stub.jobs[list(stub.jobs)[-1]]["images"][0]["state"] = "SUCCEEDED"
    done = collect(stub, state, out)
    assert [done[f"{n}.png"].code for n in range(5)] == ["job_not_found"] * 2 + ["job_expired"] * 2 + [None]


def test_a_result_that_cannot_be_fetched_fails_alone(stub, folder, out):
    state = send(stub, folder, out)
    result = next(iter(stub.jobs.values()))["images"][2]["result"]
    stub.faults["GET", f"/v1/results/{result}/overlay.png"].append(answer(problem(500, "internal_error", "?")))
    done = collect(stub, state, out, "overlay.png")
    assert [done[f"{n}.png"].state for n in range(5)] == ["SUCCEEDED"] * 2 + ["FAILED"] + ["SUCCEEDED"] * 2
    assert not (out / "images/2.png/result.json").exists()
    assert collect(stub, state, out, "overlay.png")["2.png"].state == "SUCCEEDED"


def test_a_job_with_other_images_is_not_believed(stub, folder, out):
    state = send(stub, folder, out)
    next(iter(stub.jobs.values()))["images"].pop()
    with pytest.raises(collecting.ClientError, match="has 4 images; 5 were handed in"):
        collect(stub, state, out)


def test_nothing_to_do(stub, out):
    assert collect(stub, RunState({}, out / FILE), out) == {}


def test_a_result_of_another_picture_is_not_taken_for_this_ones(stub, folder, out):
    state = send(stub, folder, out)
    images = next(iter(stub.jobs.values()))["images"]
    images[1]["result"], images[2]["result"] = images[2]["result"], images[1]["result"]
    done = collect(stub, state, out)
    assert [done[f"{n}.png"].code for n in range(5)] == [None, "other_picture", "other_picture", None, None]
    assert not (out / "images/1.png").exists()


def test_images_in_another_order_are_those_of_their_names(stub, folder, out):
    state = send(stub, folder, out)
    next(iter(stub.jobs.values()))["images"].reverse()
    done = collect(stub, state, out)
    assert {each.state for each in done.values()} == {"SUCCEEDED"}  # each has the sum of what was sent


@pytest.mark.parametrize("bad", [False, True], ids=["", "one fails"])
def test_frames_of_a_file_have_results_of_their_own(stub, folder, out, bad):
    state = send(stub, folder, out)
    images = next(iter(stub.jobs.values()))["images"]
    frames = [stub._image(f"2.png, frame {number}", b"bad" if bad and number == 2 else b"%d" % number)
              for number in (1, 2, 3)]  # fmt: skip
    images[2:3] = frames
    done = collect(stub, state, out)
    assert set(done) == {*(f"{n}.png" for n in range(5)), *(f"2.png, frame {n}" for n in (1, 2, 3))}
    assert (done["2.png"].state, done["2.png"].code) == (("FAILED", "frames_failed") if bad else ("SUCCEEDED", None))
    assert (out / "images/2.png, frame 3/result.json").exists()
    assert collect(stub, state, out) == done
    assert write_table(out, state) == {}
    rows = (out / "results.csv").read_text("utf-8-sig").splitlines()
    assert len(rows) == 1 + 8
