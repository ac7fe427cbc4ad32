"""Identifiers planted wherever a caller can put them, and a search of everything that the service wrote."""

import io
import itertools
import struct
import time
import zlib

import httpx
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from testbed.encoded_pictures import encoded, noise
from testbed.picture_files.icc_profiles import P3_XY, rgb_profile, srgb_curve
from testbed.picture_files.raw_jpeg import segment
from testbed.picture_files.raw_png import chunk
from testbed.servers import FrontendServer
from tests.integration.observability.collector import Collector

MARK = "QX7JANEDOE"
MODELS = ("brain_mri", "he_tissue")
LARGE = (700, 600)  # noise of this size is more than the megabyte from which uploads wait in a temporary file


class Planted:
    """Tells who was planted where, so that a find names its place."""

    def __init__(self):
        self.places = []

    def __call__(self, place):
        self.places.append(f"{MARK}^{place}^1955-03-14")
        return self.places[-1]

    def needles(self):
        """All spellings in which one of them could be found, compressed ones included."""
        for text in (MARK, *self.places):
            for spelling in (text, text.lower(), text.replace("^", "%5E"), text.encode().hex()):
                yield spelling.encode()
            yield from (text.encode("utf-16-le"), text.encode("utf-16-be"))
        for text in self.places:
            yield from (zlib.compress(text.encode(), level) for level in (1, 6, 9))


def exif(planted, orientation):
    made = Image.Exif()
    made[0x0112] = orientation
    for number in (0x010E, 0x013B, 0x8298, 0x9286, 0x010D):  # description, artist, copyright, comment, document name
        made[number] = planted(f"EXIF-{number:x}")
    made[0x9C9D] = planted("EXIF-XPAuthor").encode("utf-16-le")
    made.get_ifd(0x8825)[0x001D] = planted("GPS-date")
    return made


def jpeg(planted, orientation=1, size=(96, 80), seed=0):
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><Name>{planted("XMP")}</Name></x:xmpmeta>'.encode()
    data = encoded(
        noise(size, seed), "JPEG", exif=exif(planted, orientation), comment=planted("COM").encode(), xmp=xmp,
        icc_profile=rgb_profile(
            P3_XY, srgb_curve(), planted("ICC"), tags={b"cprt": b"text\0\0\0\0" + planted("ICC").encode()}
        ),
    )  # fmt: skip
    name = planted("IPTC").encode()
    iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(name) + 5) + b"\x1c\x02\x78\0\x20" + name
    dicom = planted("APP0").encode()
    extra = b"".join(
        segment(marker, content)
        for marker, content in ((0xED, iptc), (0xE0, b"JFXX\0" + dicom), (0xEF, dicom), (0xEE, b"Adobe" + dicom))
    )
    return data[:2] + extra + data[2:] + planted("after-EOI").encode()


def png(planted, orientation=1, size=(96, 80), seed=0):
    info = PngInfo()
    info.add_text("Patient", planted("tEXt"))
    info.add_text(planted("tEXt-key")[:79], "x")
    info.add_text("Doctor", planted("zTXt"), zip=True)
    info.add_itxt("Name", planted("iTXt"))
    info.add_itxt("XML:com.adobe.xmp", planted("iTXt-XMP"), zip=True)
    data = encoded(noise(size, seed), pnginfo=info, exif=exif(planted, orientation))
    return data[:33] + chunk(b"prVt", planted("private-chunk").encode()) + data[33:] + planted("after-IEND").encode()


def read(response):
    """An answer with its headers; and what is packed inside a PNG's own text chunks."""
    parts = [response.content, *itertools.chain.from_iterable(response.headers.raw)]
    if response.headers["content-type"] == "image/png":
        image = Image.open(io.BytesIO(response.content))
        image.load()
        parts += [str(value).encode() for value in image.info.values()]
    return b"\n".join(parts)


def upload(http, planted, model, data):
    """Upload by every way, and read every form of the result; yields (where, what was read)."""
    predict = f"/v1/models/{model}/predict"
    named = {"image": (f"{planted('file-name')}.dcm.jpg", data, "image/jpeg")}
    sent_with = {"User-Agent": planted("user-agent"), "Referer": planted("referer")}
    first = http.post(predict, files=named, headers=sent_with)
    assert first.status_code == 200, first.text
    yield f"{model} answer", read(first)
    for accept in ("image/png", "application/json"):
        yield f"{model} as {accept}", read(http.post(predict, content=data, headers={"Accept": accept}))
    for name, link in first.json()["links"].items():
        yield f"{model} {name}", read(http.get(link))


def provoke(http, planted, data):
    """What goes wrong with identifiers in it. The answer may name what the caller gave; nothing else may keep it."""
    predict = "/v1/models/brain_mri/predict"
    query, field = {planted("query"): planted("query-value")}, {planted("field"): planted("field-value")}
    assert http.post(predict, params=query, content=data).status_code == 422
    assert http.post(predict, data=field, files={"image": data}).status_code == 422
    assert http.post(predict, files={planted("field-name"): data}).status_code == 400
    assert http.post(predict, content=planted("text-as-picture").encode()).status_code == 415
    assert http.post(predict, content=data, headers={"Accept": planted("accept")}).status_code == 406
    assert http.get(f"/v1/results/{planted('result')}", params=query).status_code == 404
    assert http.get(f"/v1/models/{planted('model')}").status_code == 404
    assert http.get(f"/{planted('path')}", params=query).status_code == 404
    damaged = http.post(predict, content=data[: len(data) // 2])
    assert damaged.status_code == 422
    return damaged


def do_job(http, planted, data):
    """A job with names that identify; when it is taken back they are gone, and the pictures before that."""
    named = [("images", (f"{planted('job-file-name')}{seed}.png", data[:cut])) for seed, cut in ((1, None), (2, -80))]
    job = http.post("/v1/jobs", data={"model": MODELS[0]}, files=named).json()
    assert MARK in job["images"][0]["name"]
    deadline = time.monotonic() + 60
    while job["state"] in {"QUEUED", "RUNNING"}:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
        job = http.get(job["links"]["self"]).json()
    assert [image["state"] for image in job["images"]] == ["SUCCEEDED", "FAILED"]
    assert http.delete(job["links"]["self"]).status_code == 204
    return b"".join(read(http.get(link)) for link in job["images"][0]["links"].values())


def test_planted_identifiers_are_nowhere(triton, model_repository, tmp_path):
    planted = Planted()
    written, temporary = tmp_path / "results", tmp_path / "temporary"
    temporary.mkdir()
    found = {}
    with Collector() as collector:
        service = FrontendServer(
            triton.grpc_url, tmp_path, model_repository=model_repository, results_dir=written, log_level="debug",
            otlp_endpoint=collector.url, job_workers=1,
        )  # fmt: skip
        service.env |= {"TMPDIR": str(temporary), "OTEL_BSP_SCHEDULE_DELAY": "200"}
        with service, httpx.Client(base_url=service.url, timeout=60) as http:
            pictures = [jpeg(planted), png(planted, seed=1), jpeg(planted, orientation=6, seed=2)]
            for model, data in [*((MODELS[0], data) for data in pictures), (MODELS[1], pictures[0])]:
                found |= dict(upload(http, planted, model, data))
            large = png(planted, size=LARGE, seed=3)
            assert len(large) > 2**20
            found |= dict(upload(http, planted, MODELS[0], large))
            found["job"] = do_job(http, planted, png(planted, seed=4))
            found["damaged"] = read(provoke(http, planted, pictures[1]))
            for path in ("/", "/errors", "/metrics", "/v1/models", "/readyz"):
                found[path] = read(http.get(path))
            found["metrics on disk"] = b"".join(path.read_bytes() for path in temporary.rglob("*.db"))
        assert not list(temporary.iterdir())
    found["traces"] = str(collector.spans).encode()
    assert {span.service for span in collector.spans} >= {"oncoserve-frontend"}
    for path in tmp_path.rglob("*"):
        found[str(path.relative_to(tmp_path))] = path.read_bytes() if path.is_file() else b""
    assert b'"route": "/v1/models/{model}/predict"' in found["frontend.log"]
    assert b'"level": "debug"' in found["frontend.log"]  # with every line that there is at a higher level
    assert sum(name.endswith(".zip") for name in found) == 6
    for name, content in found.items():
        for needle in planted.needles():
            assert needle not in content, f"{needle[:60]} in {name}"
            assert needle not in name.encode()
