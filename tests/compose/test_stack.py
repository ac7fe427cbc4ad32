"""What `docker compose up` brings up, seen from outside and from inside its containers."""

import io
import json
import re
import subprocess
import time

import numpy as np
import pytest
import tritonclient.grpc as triton
from PIL import Image

from testbed.servers import PROJECT
from tests.code_blocks import code_block

pytestmark = pytest.mark.timeout(900)  # the first test waits for the build

SERVICES = ("frontend", "triton", "worker")
TMP = "/tmp"  # noqa: S108 - inside a container
CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


def sample(label):
    """A real picture of a class, from those that `make models` fetches; the image has none of them."""
    return min((PROJECT / "build/samples/brain_mri" / label).iterdir()).read_bytes()


def test_the_context_is_small(stack):
    sizes = re.findall(r"transferring context: ([\d.]+)(\w+)", stack.build_log)
    assert sizes
    assert all(unit in {"B", "kB"} or (unit == "MB" and float(size) < 8) for size, unit in sizes), sizes


@pytest.mark.parametrize("label", CLASSES)
def test_a_real_picture_gets_its_class(stack, label):
    answer = stack.predict(sample(label)).raise_for_status().json()
    assert answer["label"] == label
    code, record = stack.execute("triton", "cat", "/app/model_repository/brain_mri/1/export.json")
    assert code == 0
    assert answer["provenance"]["model_sha256"] == json.loads(record)["files"]["model.cpu.onnx"]["sha256"]


def test_a_job_is_done_by_the_worker(stack):
    data = {"model": "brain_mri"}
    files = [("images", (f"{label}.jpg", sample(label))) for label in CLASSES]
    address = stack.client.post("/v1/jobs", data=data, files=files).raise_for_status().headers["location"]
    deadline = time.monotonic() + 60
    while (job := stack.client.get(address).raise_for_status().json())["state"] in {"QUEUED", "RUNNING"}:
        assert time.monotonic() < deadline, job["progress"]
        time.sleep(0.2)
    labels = [stack.client.get(image["links"]["result"]).json()["label"] for image in job["images"]]
    assert labels == list(CLASSES)


def test_every_model_is_in_the_images(stack):
    served = stack.client.get("/v1/models").raise_for_status().json()
    assert {each["name"] for each in served["models"]} == {
        path.parent.name for path in PROJECT.glob("model_repository/*/card.json")
    }
    assert served["not_ready"] == {}
    assert all(each["model_sha256"] for each in served["models"])


def test_what_states_no_licence_is_not_in_the_image(stack):
    """docs/samples.md says of each sample whether it may be passed on."""
    offered = stack.client.get("/v1/samples").raise_for_status().json()
    assert offered["brain_mri"] == offered["brain_tumour"] == ["brain_mri/template/mni152_t1_z18.png"]
    assert {name.split("/")[1] for name in offered["he_tissue"]} <= {"he", "ihc", "slide"}
    code, found = stack.execute("frontend", "find", "/app", "-name", "Te-*")
    assert (code, found) == (0, "")


def test_the_readmes_first_commands(stack, tmp_path):
    """As somebody types them who has Docker and no checkout's Python."""
    block = code_block(PROJECT / "README.md", "sh", "/predict")
    commands = block.replace("http://localhost:5000", f"http://127.0.0.1:{stack.port}")
    done = subprocess.run(["sh", "-ec", commands], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["label"] == "notumor"


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [("", 0o600, "Permission denied; let user 10001 read it"), ("ward-7 secret", 0o644, ", line 1: expected `name")],
    ids=["unreadable", "wrong"],
)
def test_a_key_file_is_checked_before_it_touches_what_runs(stack, tmp_path, content, mode, message):
    keys = tmp_path / "keys"
    keys.write_text(content)
    keys.chmod(mode)
    before = stack.inspect("frontend")["State"]["StartedAt"]
    code, output = stack.try_compose("run", "--rm", "check-frontend", API_KEYS_FILE=keys)
    assert code == 2, output
    (line, where) = [line for line in output.splitlines() if "api_keys" in line]
    assert line.startswith("oncoserve: the key file /run/secrets/api_keys")
    assert message in line
    assert where == f"/run/secrets/api_keys is {keys} outside."
    assert "Traceback" not in output
    assert stack.inspect("frontend")["State"]["StartedAt"] == before
    assert stack.client.get("/readyz").status_code == 200


def test_the_page_answers(stack):
    page = stack.client.get("/").raise_for_status()
    assert page.headers["Content-Type"].startswith("text/html")
    assert "Not a medical device" in page.text


def test_triton_answers_directly(stack):
    picture = Image.open(io.BytesIO(sample("pituitary"))).convert("RGB")
    pixels = np.asarray(picture.resize((240, 240), Image.Resampling.BICUBIC))[np.newaxis]
    image = triton.InferInput("image", list(pixels.shape), "UINT8")
    image.set_data_from_numpy(pixels)
    with triton.InferenceServerClient(f"127.0.0.1:{stack.grpc_port}") as client:
        probabilities = client.infer("brain_mri", [image]).as_numpy("probabilities")[0]
    assert CLASSES[probabilities.argmax()] == "pituitary"


def test_triton_publishes_its_metrics(stack):
    metrics = stack.client.get(f"http://127.0.0.1:{stack.metrics_port}/metrics").raise_for_status().text
    assert 'nv_inference_count{model="brain_mri"' in metrics


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_published_on_loopback_only(stack, service):
    bindings = stack.inspect(service)["NetworkSettings"]["Ports"].values()
    met = {binding["HostIp"] for published in bindings for binding in published}
    assert met == (set() if service == "worker" else {"127.0.0.1"})


@pytest.mark.parametrize("service", SERVICES)
def test_a_container_has_no_privileges(stack, service):
    code, status = stack.execute(service, "cat", "/proc/1/status")
    assert code == 0
    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert set(fields["Uid"].split()) == {"10001"}
    assert set(fields["Gid"].split()) == {"10001"}
    assert int(fields["CapBnd"], 16) == int(fields["CapEff"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    limits = stack.inspect(service)["HostConfig"]
    assert limits["Memory"] > 0
    assert limits["Init"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("folder", ["/", "/app", "/app/model_repository", "/opt/venv", "/etc", "/var"])
def test_a_container_cannot_write_outside_its_volumes(stack, service, folder):
    code, output = stack.execute(service, "touch", f"{folder}/written")
    assert code != 0
    assert "Read-only file system" in output


@pytest.mark.parametrize(
    ("service", "folder"), [("frontend", "/var/lib/oncoserve"), ("frontend", TMP), ("triton", TMP)]
)
def test_a_container_can_write_where_it_has_to(stack, service, folder):
    assert stack.execute(service, "touch", f"{folder}/.written") == (0, "")
    assert stack.execute(service, "rm", f"{folder}/.written") == (0, "")


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_says_what_it_is_and_reports_to_nobody(stack, service):
    config = stack.inspect(service)["Config"]
    image = {"worker": "frontend"}.get(service, service)
    assert config["Labels"]["org.opencontainers.image.title"] == f"oncoserve-{image}"
    assert "Not a medical device" in config["Labels"]["org.opencontainers.image.description"]
    assert "ORT_DISABLE_TELEMETRY=1" in config["Env"]


def test_triton_starts_without_a_network(stack):
    tmpfs = ["--tmpfs", f"{TMP}:exec,mode=1777", "--env", f"ONCO_TRITON_WORK_DIRECTORY={TMP}/triton"]
    command = ["python", "-m", "inference_server", "--", "echo", "served"]
    done = subprocess.run(
        ["docker", "run", "--rm", "--network=none", "--read-only", *tmpfs, f"{stack.project}-triton", *command],
        env=stack.env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "served\n"), done.stderr
