"""What a job's document says of its series."""

from datetime import UTC, datetime, timedelta

import pytest

from frontend.http.shapes.job_shapes import JobShape
from oncoserve.jobs.job import Job, JobImage, JobRecord, Outcome, Progress, State
from oncoserve.wiring import open_adapters
from testbed.fakes import FakeBackend
from testbed.in_process import Service

SLICE = {"series": "31d78bec5c70", "plane": "axial", "frame": 1, "frames": 1, "mm_per_px": 0.5}


def outlined(position, area_px, label=None):
    finding = {
        "task": "delineation",
        "version": "1",
        "label": label,
        "probability": 0.9 if label else None,
        "undetermined": None if label else "nothing_seen",
        "certainty": 0.9,
        "area_px": area_px,
        "area_mm2": area_px / 4,
        "longest_diameter_px": 8.0 if area_px else None,
        "longest_diameter_mm": 4.0 if area_px else None,
        "slice": {**SLICE, "position_mm": position},
        "warnings": [],
    }
    return JobImage("a", "jobs/1/0", State.SUCCEEDED, 1, Outcome("f" * 32, finding=finding))


@pytest.fixture
async def service(tmp_path):
    async with Service(tmp_path, FakeBackend()) as running:
        yield running


async def document(service, images):
    now = datetime.now(UTC)
    progress = Progress.of(image.state for image in images)
    record = JobRecord("a" * 32, None, "tiny", {}, now, now, now + timedelta(hours=1), progress)
    adapters = open_adapters(service.settings)
    await adapters.store.create(Job(record, tuple(images)))
    answer = await service.http.get(f"/v1/jobs/{record.id}")
    await adapters.close()
    JobShape.model_validate(answer.json())
    return answer.json()


async def test_what_a_stack_came_to(service):
    areas = [(0, None), (40, "glioma"), (100, "glioma"), (0, None)]
    images = [outlined(5.0 * place, *each) for place, each in enumerate(areas)]
    found = await document(service, images)
    assert found["images"][1]["finding"]["slice"] == {**SLICE, "position_mm": 5.0}
    assert found["series"] == [
        {
            "series": "31d78bec5c70",
            "plane": "axial",
            "images": [0, 1, 2, 3],
            "found": [1, 2],
            "unanswered": [],
            "labels": {"glioma": [1, 2]},
            "largest": {
                "image": 2,
                "position_mm": 10.0,
                "area_px": 100,
                "area_mm2": 25.0,
                "longest_diameter_px": 8.0,
                "longest_diameter_mm": 4.0,
            },
            "distance_mm": 5.0,
            "volume_mm3": 175.0,
            "no_volume": None,
        }
    ]


async def test_a_job_without_dicom_has_no_series(service):
    image = outlined(0.0, 1)
    finding = {name: value for name, value in image.outcome.finding.items() if name != "slice"}
    plain = JobImage("a.png", "jobs/1/0", State.SUCCEEDED, 1, Outcome("f" * 32, finding=finding))
    found = await document(service, [plain])
    assert (found["series"], found["images"][0]["finding"]["slice"]) == ([], None)
