import csv
import time

import httpx
import pytest

from testbed.servers import free_port

FEW = ("-u", "4", "-r", "4", "-t", "2s", "--stop-timeout", "10")


def rows(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def counts(path):
    return {row["Name"]: int(row["Request Count"]) for row in rows(path)}


def test_a_run_with_sane_limits(tiny_url, tiny_triton, locust, tmp_path):
    """Both kinds of callers, right answers, no file twice, and the reports."""
    prefix, html = tmp_path / "reports/run", tmp_path / "reports/run.html"
    done = locust(
        tiny_url, *FEW, "--triton", tiny_triton.grpc_url, "--max-p95-ms", "30000", "--min-requests", "4",
        "--csv", str(prefix), "--html", str(html),
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert done.broken == set()
    met = counts(tmp_path / "reports/run_stats.csv")
    assert met.keys() == {"predict tiny", "infer tiny", "Aggregated"}
    assert min(met.values()) > 0
    assert "predict tiny" in html.read_text()


@pytest.mark.long
def test_impossible_limits_exit_1(tiny_url, locust):
    done = locust(tiny_url, *FEW, "Uploader", "--max-p95-ms", "0.001", "--min-requests", "1000000")
    assert (done.code, done.broken) == (1, {"p95", "answered"}), done.stderr


@pytest.mark.long
def test_a_service_that_answers_errors_exits_1(start_frontend, locust):
    """No picture fits into a kilobyte: 413 for all."""
    done = locust(start_frontend(max_upload_bytes=1024), *FEW, "Uploader")
    assert (done.code, done.broken) == (1, {"failed"}), done.stderr
    assert "413 upload_too_large" in done.stderr


@pytest.mark.long
def test_refusals_are_not_failures(start_frontend, locust, tmp_path):
    done = locust(
        start_frontend(max_batches_in_flight=1),
        *FEW,
        "Uploader",
        "-u",
        "16",
        "-r",
        "16",
        "--csv",
        str(tmp_path / "run"),
    )
    assert (done.code, done.broken) == (1, {"refused"}), done.stderr
    assert counts(tmp_path / "run_stats.csv")["predict tiny (refused)"] > 0


@pytest.mark.long
def test_steps_find_a_capacity(tiny_url, locust, tmp_path):
    """The second step asks for more than any machine can do."""
    done = locust(
        tiny_url, "Uploader", "-u", "16", "-t", "30s", "--rate", "4", "--steps",
        "--step-factor", "100000", "--step-seconds", "3", "--csv", str(tmp_path / "run"),
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert "capacity: 4.00 requests/s" in done.stderr
    assert [bool(step["broken"]) for step in rows(tmp_path / "run_steps.csv")] == [False, True]


def test_it_says_when_there_is_nothing_to_test(locust):
    done = locust(f"http://127.0.0.1:{free_port()}", *FEW)
    assert done.code == 2
    assert "make run" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_says_when_triton_does_not_listen(tiny_url, locust):
    done = locust(tiny_url, *FEW, "--triton", f"127.0.0.1:{free_port()}")
    assert done.code == 2
    assert "--triton" in done.stderr


@pytest.mark.long
def test_processes_share_a_rate_and_its_limits_are_judged(tiny_url, locust, tmp_path):
    done = locust(
        tiny_url, "Uploader", "--processes", "2", "-u", "8", "-r", "8", "-t", "4s", "--stop-timeout", "10",
        "--rate", "10", "--csv", str(tmp_path / "run"),
    )  # fmt: skip
    assert (done.code, done.broken) == (0, set()), done.stderr
    assert 20 <= counts(tmp_path / "run_stats.csv")["predict tiny"] <= 60
    (rate,) = [line for line in done.stderr.splitlines() if "rate:" in line]
    assert "of 10.00 requests/s" in rate


@pytest.mark.long
def test_a_master_judges_what_its_workers_did(tiny_url, locust, start_locust):
    """The worker is told everything by its master: the host, and what to ask for."""
    port = str(free_port())
    start_locust("--worker", "--master-port", port)
    done = locust(
        tiny_url, "Uploader", "--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port,
        "--expect-workers", "1", "-u", "2", "-r", "2", "-t", "2s", "--max-p95-ms", "0.001",
    )  # fmt: skip
    assert (done.code, done.broken) == (1, {"p95"}), done.stderr


def test_the_web_interface_starts_and_stops_tests(tiny_url, start_locust):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    running = start_locust(
        "--web-host", "127.0.0.1", "--web-port", str(port), "--host", tiny_url, "Uploader", "--max-p95-ms", "0.001"
    )
    with httpx.Client(base_url=url, transport=httpx.HTTPTransport(retries=10)) as page:
        for _ in range(2):  # the second one, too, has its pictures and its pace
            form = {"user_count": 2, "spawn_rate": 2, "host": tiny_url}
            assert page.post("/swarm", data=form).raise_for_status().json()["success"]
            deadline = time.monotonic() + 60
            while not (stats := page.get("/stats/requests").json())["stats"] or stats["total_rps"] == 0:
                assert time.monotonic() < deadline, stats
                time.sleep(0.1)
            assert stats["stats"][0]["name"] == "predict tiny"
            assert stats["fail_ratio"] == 0
            page.post("/stop").raise_for_status()
    running.terminate()
    assert running.wait(60) == 0  # no limit is judged


def test_steps_are_for_one_process(tiny_url, locust):
    done = locust(
        tiny_url, *FEW, "Uploader", "--rate", "4", "--steps", "--master", "--master-bind-port", str(free_port())
    )
    assert "--steps is for one process" in done.stderr
    assert done.code == 2
