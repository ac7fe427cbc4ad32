import pytest

from oncoserve.cli.client import sending
from oncoserve.cli.client.client_errors import Refused, Unreachable
from oncoserve.cli.client.picture_files import find, named
from oncoserve.cli.client.run_state import FILE, Attempt, RunState, load
from oncoserve.cli.client.sending import Order, Sender
from oncoserve.cli.client.service_client import ServiceClient
from testbed.picture_files.zip_files import zipped
from tests.unit.oncoserve.cli.stub import Stub, answer, cut, cut_after, problem


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def send(stub, folder, out, state=None, sleep=lambda _: None, **order):
    state = state or RunState({}, out / FILE)
    service = ServiceClient(stub.url, None, 5, sleep)
    try:
        pictures = find(folder, out, recursive=False).pictures
        Sender(service, Order("tiny", {}, **order), state, lambda _: None).send(pictures)
    finally:
        service.close()
    return state


def once_each(stub, count=5):
    return len(stub.received) == count and max(stub.received.values()) == 1


def test_a_job_made_without_our_hearing_of_it_is_found(stub, folder, out):
    stub.faults["POST", "/v1/jobs"].append(cut_after(stub.create))
    state = send(stub, folder, out, max_images=2)
    assert once_each(stub)
    assert list(state.jobs) == list(stub.jobs)


def test_a_job_that_was_not_made_is_handed_in_again(stub, folder, out):
    stub.faults["POST", "/v1/jobs"].extend([cut, cut_after(stub.create), answer(problem(500, "internal", "?"))])
    send(stub, folder, out, max_images=2)
    assert once_each(stub)


def test_a_client_killed_while_handing_in_is_followed_by_one_that_looks_first(stub, folder, out):
    """The older job has the same names and is another run's; the newer one is ours, between two of other pictures."""
    send(stub, folder, out)
    stub.received.clear()
    older = next(iter(stub.jobs.values()))
    state = RunState({}, out / FILE)
    state.attempt = Attempt({f"{n}.png": "" for n in range(5)}, {"id": older["id"], "created": older["created"]})
    (folder / "z.png").write_bytes(b"another")
    send(stub, folder, out, max_images=6)
    (folder / "z.png").unlink()
    send(stub, folder, out)
    ours = list(stub.jobs)[-1]
    stub.received.clear()
    send(stub, folder, out, state)
    assert stub.received == {}
    assert list(state.jobs) == [ours]


def test_a_service_that_never_answers_is_given_up(stub, folder, out):
    stub.faults["POST", "/v1/jobs"].extend([cut] * sending.MOST_LOST)
    with pytest.raises(Unreachable, match="5 times"):
        send(stub, folder, out)
    assert load(out, {}).attempt.pictures.keys() >= {"0.png"}  # the next run looks once more


def test_too_large_together_is_sent_in_parts_and_too_large_alone_is_told(folder, out):
    (folder / "1.png").write_bytes(b"x" * 3000)
    (folder / "3.png").write_bytes(b"x" * 4000)
    with Stub(limit_bytes=1500) as stub:
        state = send(stub, folder, out)
        refused = [path for method, path, _ in stub.asked if method == "POST"]
    assert once_each(stub, 3)
    assert {name: each.code for name, each in state.done.items()} == dict.fromkeys(
        ["1.png", "3.png"], "upload_too_large"
    )
    assert state.done["3.png"].detail == "4000 bytes, not sent; the limit is 1500."
    assert len(refused) < 10


def test_large_pictures_go_to_the_store_where_there_is_one(folder, out):
    (folder / "2.png").write_bytes(b"x" * 3000)
    (folder / "3.png").write_bytes(b"x" * 9000)
    with Stub(uploads=True, limit_bytes=8000) as stub:
        state = send(stub, folder, out, upload_over_bytes=2000)
        assert [name for name, _ in stub.stored.values()] == ["2.png"]
    assert once_each(stub, 4)
    assert "the limit is 8000" in state.done["3.png"].detail


def test_large_pictures_travel_in_the_job_where_there_is_no_store(stub, folder, out):
    send(stub, folder, out, upload_over_bytes=1, max_images=2)
    assert once_each(stub)
    assert [path for _, path, _ in stub.asked].count("/v1/uploads") == 1


def test_a_busy_service_is_waited_for(stub, folder, out):
    busy = [problem(429, "too_many_requests", "", **{"Retry-After": "3"}), problem(503, "queue_unavailable", "")]
    stub.faults["POST", "/v1/jobs"].extend(map(answer, busy))
    send(stub, folder, out)
    assert once_each(stub)


def test_parameters_that_the_service_refuses_end_the_run(stub, folder, out):
    stub.faults["POST", "/v1/jobs"].append(answer(problem(422, "invalid_parameter", "'x' is not known.")))
    with pytest.raises(Refused, match="'x' is not known"):
        send(stub, folder, out)
    assert load(out, {}).attempt is None


def test_bytes_a_job(stub, folder, out):
    (folder / "4.png").write_bytes(b"x" * 1000)
    send(stub, folder, out, max_bytes=30)
    assert [job["progress"]["total"] for job in stub.jobs.values()] == [3, 1, 1]


def test_fewer_pictures_a_job_where_the_service_wants_that(stub, folder, out):
    many = answer(problem(413, "too_many_images", "The job has 5 images; the limit is 2."))
    stub.faults["POST", "/v1/jobs"].extend([many])
    send(stub, folder, out, upload_over_bytes=0, max_images=5)
    assert [job["progress"]["total"] for job in stub.jobs.values()] == [2, 2, 1]


def test_no_other_job_is_taken_for_the_one_that_was_not_made(stub, folder, out, tmp_path):
    """Neither an older one of the same pictures, nor a newer one of as many others."""
    send(stub, folder, out)
    older = next(iter(stub.jobs.values()))
    others = tmp_path / "others"
    others.mkdir()
    for number in range(5):
        (others / f"other {number}.png").write_bytes(b"other %d" % number)
    send(stub, others, out)
    state = RunState({}, out / FILE)
    state.attempt = Attempt({f"{n}.png": "" for n in range(5)}, {"id": older["id"], "created": older["created"]})
    stub.received.clear()
    send(stub, folder, out, state)
    assert once_each(stub)
    assert list(state.jobs) == [list(stub.jobs)[-1]]


def send_named(stub, out, files):
    """Send files that are named one by one, by path below a folder."""
    paths = []
    for name, data in files:
        path = out.parent / "series" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        paths.append(path)
    state, service = RunState({}, out / FILE), ServiceClient(stub.url, None, 5, lambda _: None)
    try:
        Sender(service, Order("tiny", {}), state, lambda _: None).send(named(paths)[1])
    finally:
        service.close()
    return state


def test_slices_of_one_name_go_in_jobs_of_their_own(stub, out):
    files = [(f"{folder}/IM{number}", f"{folder}{number}".encode()) for folder in "ab" for number in (1, 2)]
    state = send_named(stub, out, files)
    assert [[*names] for names in state.jobs.values()] == [["a/IM1", "a/IM2"], ["b/IM1", "b/IM2"]]
    stub.jobs.clear()
    state = send_named(stub, out, [(f"{name}.png", data) for name, data in files])  # these stay in order
    assert len(state.jobs) == 1


def test_an_archive_is_not_sent(stub, out):
    state = send_named(stub, out, [("a.zip", zipped([("a.png", b"x")])), ("b.png", b"y")])
    assert state.done["a.zip"].code == "unsupported_image"
    assert stub.received == {b"y": 1}
