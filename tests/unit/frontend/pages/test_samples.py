"""Sample pictures by their addresses."""

from testbed.fakes import FakeBackend, card, classifier, write_card
from testbed.in_process import Service, assert_problem


async def test_samples_are_listed_and_read(service, tmp_path):
    folder = tmp_path / "samples" / "tiny" / "class0"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"jpeg")
    (folder / "notes.txt").write_text("not a picture")
    (folder / "folder.png").mkdir()
    (folder / "gone.png").symlink_to(tmp_path / "nowhere")
    assert (await service.http.get("/v1/samples")).json() == {"tiny": ["tiny/class0/a.jpg"]}
    assert (await service.http.get("/v1/samples/tiny/class0/a.jpg")).content == b"jpeg"
    assert_problem(await service.http.get("/v1/samples/tiny/class0/notes.txt"), 404, "sample_not_found")


async def test_a_sample_is_a_file_by_its_address(service, tmp_path):
    folder = tmp_path / "models" / "tiny" / "samples" / "class0"  # brought by the model itself
    folder.mkdir(parents=True)
    (folder / "a b.png").write_bytes(b"png")
    assert (await service.http.get("/v1/samples")).json() == {"tiny": ["tiny/class0/a b.png"]}
    first = await service.http.get("/samples/tiny/class0/a%20b.png")
    assert (first.status_code, first.content, first.headers["content-type"]) == (200, b"png", "image/png")
    assert first.headers["content-disposition"] == "inline; filename*=utf-8''a%20b.png"
    assert first.headers["cache-control"] == "no-cache"  # kept, and asked for again with its ETag
    again = await service.http.get("/samples/tiny/class0/a%20b.png", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("none.png", "../../card.json", "class0/../../card.json", "class0"):
        assert (await service.http.get(f"/samples/tiny/{name}")).status_code == 404


async def test_a_model_may_offer_the_samples_of_another(tmp_path):
    made = Service(tmp_path, FakeBackend(classifier("tiny"), classifier("other")))
    write_card(tmp_path / "models", card("other", samples="tiny"))
    folder = tmp_path / "samples" / "tiny" / "class0"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(b"jpeg")
    async with made as service:
        samples = (await service.http.get("/v1/samples")).json()
        assert samples == {"tiny": ["tiny/class0/a.jpg"], "other": ["tiny/class0/a.jpg"]}
        assert (await service.http.get("/")).text.count('data-sample="/v1/samples/tiny/class0/a.jpg"') == 2
