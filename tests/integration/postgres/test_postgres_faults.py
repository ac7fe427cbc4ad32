"""PostgreSQLs that cannot be asked, and what is said of them: the cause, without addresses or values."""

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from dataclasses import replace

import psutil
import pytest
from sqlalchemy import func, select, text

from oncoserve.errors import JobsUnavailable
from oncoserve.jobs.postgres.postgres_database import Server
from oncoserve.jobs.postgres.schema import revision
from testbed.servers import free_port
from testbed.storage.certificate import write_certificate
from testbed.storage.postgres import UNPRIVILEGED, USER, Postgres

SOON_S = 2.0


def written(path, content):
    path.write_text(content)
    return path


FAULTS = {
    "wrong password": (
        lambda place, folder: replace(place, password_file=written(folder / "password", "wrong")),
        "it refuses the password",
    ),
    "no password file": (
        lambda place, folder: replace(place, password_file=folder / "gone"),
        "the file with its password cannot be read",
    ),
    "unknown user": (lambda place, folder: replace(place, user="nobody"), "it refuses"),
    "no database": (lambda place, folder: replace(place, database="nobodys"), "it has no database 'nobodys'"),
    "nobody listens": (lambda place, folder: replace(place, port=free_port()), "nothing listens at its address"),
    "unknown host": (lambda place, folder: replace(place, host="nosuch.invalid"), "its host name is not known"),
    "no TLS": (lambda place, folder: replace(place, tls=True), "it speaks no TLS"),
}


@pytest.mark.parametrize(("change", "words"), FAULTS.values(), ids=FAULTS)
async def test_the_cause_is_told(opened, place, tmp_path, change, words):
    changed = change(place, tmp_path)
    with pytest.raises(JobsUnavailable) as told:
        await opened(changed, SOON_S).read(revision)
    said = str(told.value.args[0])
    assert words in said
    assert changed.host not in said
    assert "\n" not in said


async def test_one_that_says_nothing_is_waited_for_so_long_and_no_longer(opened, place):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = opened(replace(place, port=silent.getsockname()[1]), SOON_S)
        began = time.monotonic()
        with pytest.raises(JobsUnavailable, match="it did not answer in time"):
            await database.read(revision)
        assert time.monotonic() - began < 3 * SOON_S


async def test_a_statement_takes_so_long_and_no_longer(opened, place):
    database = opened(place, SOON_S)
    await database.read(revision)
    began = time.monotonic()
    with pytest.raises(JobsUnavailable, match="the statement took too long"):
        await database.read(lambda connection: connection.execute(select(func.pg_sleep(60))))
    assert time.monotonic() - began < 3 * SOON_S


async def test_a_password_that_is_replaced_is_taken_up(opened, place, tmp_path):
    right = place.password_file.read_text()
    password = written(tmp_path / "password", "wrong")
    database = opened(replace(place, password_file=password))
    with pytest.raises(JobsUnavailable):
        await database.read(revision)
    password.write_text(right)
    assert await database.read(revision) == "0001"


@pytest.fixture
def own(unavailable, tmp_path):
    """A PostgreSQL that a test may kill, with a limit of connections."""
    if missing := Postgres.missing():
        unavailable("postgres", f"not installed: {missing}")
    with Postgres(tmp_path, max_connections="8", superuser_reserved_connections="1") as server:
        server.create("jobs")
        yield server


def server_of(own):
    return Server("127.0.0.1", own.port, "jobs", USER, own.password_file)


async def test_one_that_is_killed_frozen_and_back_is_asked_again(opened, own):
    database = opened(server_of(own), SOON_S)
    assert await database.read(revision) == "0001"
    own.kill()
    with pytest.raises(JobsUnavailable):
        await database.read(revision)
    own.start()
    own.wait_ready()
    assert await asyncio.gather(*(database.read(revision) for _ in range(8))) == ["0001"] * 8
    processes = [psutil.Process(own.pid), *own.family()]
    for process in processes:
        process.suspend()
    try:
        began = time.monotonic()
        with pytest.raises(JobsUnavailable, match="in time"):
            await database.read(revision)
        assert time.monotonic() - began < 6 * SOON_S
    finally:
        for process in processes:
            process.resume()
    assert await database.read(revision) == "0001"


async def test_one_without_connections_left_is_told(opened, own):
    database = opened(server_of(own), SOON_S)
    with contextlib.ExitStack() as others:
        for _ in range(8):
            others.callback(own.connect("jobs").close)
        with pytest.raises(JobsUnavailable, match="it has as many connections as it may have"):
            await database.read(revision)
    assert await database.read(revision) == "0001"


async def test_a_standby_is_told(opened, place, postgres):
    with contextlib.closing(postgres.connect("postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"ALTER DATABASE {place.database} SET default_transaction_read_only = on")
    with pytest.raises(JobsUnavailable, match="it takes no writes: it is a standby"):
        await opened(place).read(revision)


async def test_a_server_has_to_show_who_it_is(opened, unavailable, tmp_path):
    if missing := Postgres.missing():
        unavailable("postgres", f"not installed: {missing}")
    certificate, key = write_certificate(tmp_path)
    if os.getuid() == 0:
        shutil.chown(key, UNPRIVILEGED)
    with Postgres(tmp_path, ssl="on", ssl_cert_file=str(certificate), ssl_key_file=str(key)) as server:
        server.create("jobs")
        known = replace(server_of(server), tls=True, ca_file=certificate)
        encrypted = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        assert await opened(known).read(lambda connection: connection.execute(encrypted).scalar()) is True
        for stranger in (replace(known, ca_file=None), replace(known, host="localhost")):
            with pytest.raises(JobsUnavailable, match="its certificate is not one that is trusted here"):
                await opened(stranger).read(revision)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 16 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=777", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("no rights to mount a small disk")
    if os.getuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    yield folder
    subprocess.run(["umount", str(folder)], check=False)


async def test_a_full_disk_is_told_and_nothing_is_lost(opened, small_disk, own):
    with contextlib.closing(own.connect("jobs")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
        cursor.execute("ALTER DATABASE jobs SET default_tablespace = small")
    database = opened(server_of(own))
    await database.read(revision)
    await database.write(lambda connection: connection.execute(text("CREATE TABLE load (what text)")))

    def fill(connection):
        # Of random text: what repeats is compressed.
        many = "SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 30000)"
        connection.execute(text(f"INSERT INTO load {many}"))

    async def fill_up():
        for _ in range(40):
            await database.write(fill)

    with pytest.raises(JobsUnavailable, match="it has no room left on its disk"):
        await fill_up()
    assert await database.read(revision) == "0001"
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    await database.write(fill)
