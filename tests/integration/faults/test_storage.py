"""A results folder that is full or read-only."""

import resource

from testbed.http_callers import Callers

LARGE = 256  # pixels; noise does not compress, so the picture is larger than the limit


async def test_a_full_disk_is_503_and_heals(server, start, tmp_path):
    """RLIMIT_FSIZE stops writes in the middle of a file, as a full disk does, and needs no file system of its own."""
    service = start(server.grpc_url)
    async with Callers(service.url, "tiny") as callers, Callers(service.url, "tiny", LARGE) as large:
        unlimited = resource.prlimit(service.serving_pid, resource.RLIMIT_FSIZE)
        resource.prlimit(service.serving_pid, resource.RLIMIT_FSIZE, (100_000, unlimited[1]))
        picture = large.picture()
        assert len(picture) > 100_000
        for _ in range(2):
            answer = await large.ask(picture)
            assert (answer.status, answer.code) == (503, "storage_unavailable")
            assert int(answer.retry_after) >= 1
        assert (await callers.ask()).status == 200  # there is room for a small one
        left = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
        assert [path.suffix for path in left] == [".zip"], "a part of the large one was left"
        assert all(path.stat().st_size for path in left)
        resource.prlimit(service.serving_pid, resource.RLIMIT_FSIZE, unlimited)
        assert (await large.ask(picture)).status == 200
        again = await callers.http.post(callers.path, content=picture)
        assert again.headers["cache-status"] == "oncoserve; hit"


async def test_a_read_only_results_folder_is_503(server, start):
    # Nobody, root included, can make a file in /proc.
    service = start(server.grpc_url, results_dir="/proc/oncoserve")
    async with Callers(service.url, "tiny") as callers:
        for _ in range(2):
            answer = await callers.ask()
            assert (answer.status, answer.code) == (503, "storage_unavailable")
        assert (await callers.http.get("/readyz")).status_code == 200
