"""The page's files: their addresses, their caching, their size."""

import re

from frontend.pages import static_files as static
from oncoserve.runtime.addresses import OWN_PARTS

OTHER = "/static/v-0123456789ab/app.js"


async def test_the_page_names_files_by_an_address_that_may_be_kept_for_ever(service):
    page = (await service.http.get("/")).text
    names = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert {name.split("/")[2] for name in names} == {static.base_address().split("/")[2]}
    for name in names:
        answer = await service.http.get(name)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


async def test_any_other_version_gets_the_file_of_today_and_has_to_ask_again(service):
    answer = await service.http.get(OTHER)
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.text == (static.FOLDER / "app.js").read_text()


async def test_no_address_leads_out_of_the_folder(service):
    for path in ("/static/v-00/../../app.py", "/static/v-00/%2e%2e/%2e%2e/app.py", "/static/v-00/v-00/app.js"):
        assert (await service.http.get(path)).status_code == 404


def test_every_address_in_scripts_and_templates_begins_where_the_service_is_published():
    """A proxy may have put it below a path: `rooted` says it in scripts, `root` and `static` in templates."""
    parts = "|".join(re.escape(part) for part in OWN_PARTS)
    bare = {".js": rf"""(?<!rooted\()["'`]/(?:#|(?:{parts})\b)""", ".html": r"""=\s*["']/""", ".css": r"url\(['\"]?/"}
    files = [path for path in static.FOLDER.parent.rglob("*") if path.suffix in bare and "vendor" not in path.parts]
    assert len(files) > 30
    found = {path.name: re.findall(bare[path.suffix], path.read_text()) for path in files if path.name != "root.js"}
    assert {name: addresses for name, addresses in found.items() if addresses} == {}


async def test_files_are_compressed_and_findings_are_not(service):
    wanted = {"Accept-Encoding": "gzip"}
    assert (await service.http.get(OTHER, headers=wanted)).headers["content-encoding"] == "gzip"
    assert "content-encoding" not in (await service.http.get("/v1/models", headers=wanted)).headers


def test_a_change_of_any_file_changes_the_address(tmp_path, monkeypatch):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.js").write_text("1")
    monkeypatch.setattr(static, "FOLDER", tmp_path)
    first = static.base_address()
    assert first == static.base_address()
    (tmp_path / "deep" / "a.js").write_text("2")
    assert static.base_address() != first
