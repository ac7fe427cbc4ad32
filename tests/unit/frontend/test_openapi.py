"""What the service says of its own interface."""

import re

from testbed.servers import PROJECT

ADDRESSES = (PROJECT / "docs/api.md").read_text()


async def test_every_address_is_in_the_documents(service):
    paths = (await service.http.get("/openapi.json")).json()["paths"]
    assert len(paths) > 20
    assert [f"{method} {path}" for path, methods in paths.items() for method in map(str.upper, methods)
            if f"`{method} {path}`" not in ADDRESSES] == []  # fmt: skip


async def test_openapi_names_the_errors(service):
    document = (await service.http.get("/openapi.json")).json()
    predict = document["paths"]["/v1/models/{model}/predict"]["post"]
    assert {"200", "400", "404", "413", "415", "422", "503", "504"} <= predict["responses"].keys()
    docs = (await service.http.get("/docs")).text
    assert not re.search(r"(src|href)=.(https?:)?//", docs)  # nothing from another host
    for path in re.findall(r"(?:src|href)=.(/[^\"']+)", docs):
        assert (await service.http.get(path)).status_code == 200, path
