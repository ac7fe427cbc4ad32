"""What the README and the documents say is what happens."""

import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from functools import cache
from pathlib import Path

import httpx
import pytest
import yaml

from inference_server.triton_settings import TritonSettings
from oncoserve.cli.main import COMMANDS
from oncoserve.settings import Settings
from testbed.servers import PROJECT, free_port

README = (PROJECT / "README.md").read_text()
DOCUMENTS = sorted(
    [
        *PROJECT.glob("*.md"),
        *(path for room in ("docs", "deploy", "training") for path in (PROJECT / room).rglob("*.md")),
    ]
)
# Defaults that depend on the machine or are nothing, in words.
IN_WORDS = {
    "ONCO_API_KEYS_FILE",
    "ONCO_AWS_BUCKET",
    "ONCO_AWS_CDN_KEY_ID",
    "ONCO_AWS_ENDPOINT_URL",
    "ONCO_AWS_QUEUE_PREFIX",
    "ONCO_AWS_RESULTS_HOST",
    "ONCO_AWS_TABLE",
    "ONCO_AWS_TOPIC",
    "ONCO_CORS_ORIGINS",
    "ONCO_MAX_TILES_IN_FLIGHT",
    "ONCO_CPU_THREADS",
    "ONCO_INFERENCE_METRICS_URL",
    "ONCO_JOB_MODELS",
    "ONCO_OTLP_ENDPOINT",
    "ONCO_POSTGRES_CA_FILE",
    "ONCO_POSTGRES_PASSWORD_FILE",
    "ONCO_POSTGRES_URL",
    "ONCO_PUBLISHED_HOST",
    "ONCO_ROOT_PATH",
    "ONCO_S3_ACCESS_KEY_FILE",
    "ONCO_S3_BUCKET",
    "ONCO_S3_CA_FILE",
    "ONCO_S3_ENDPOINT",
    "ONCO_S3_PREFIX",
    "ONCO_S3_SECRET_KEY_FILE",
    "ONCO_TRITON_LOG_FILE",
    "ONCO_TRITON_MODEL_CONFIG_NAME",
    "ONCO_TRITON_OTLP_ENDPOINT",
    "ONCO_TRITON_THREADS",
    "ONCO_TRUSTED_PROXIES",
    "ONCO_WORKERS",
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_it_is_short_and_begins_with_what_matters():
    lines = README.splitlines()
    assert len(lines) < 150
    assert [number for number, line in enumerate(lines, 1) if len(line) > 120] == []
    assert "Research use only. Not a medical device." in "\n".join(lines[:12])
    screen = "\n".join(lines[:25])
    for answer in ("For whom", "What it costs to try", "What it is not", "make run"):
        assert answer in screen
    assert min(README.index("make run"), README.index("docker compose up")) == README.index("make run")


@cache
def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        again = next(number for number in range(100) if (f"{slug}-{number}" if number else slug) not in found)
        found.add(f"{slug}-{again}" if again else slug)
    return found


def test_every_link_leads_somewhere():
    astray = []
    for page in DOCUMENTS:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            name, _, anchor = target.partition("#")
            there = (page.parent / name).resolve() if name else page
            if re.match(r"[a-z]+:", target):
                continue
            in_code = there.suffix == ".py"  # lines of functions: test_code_links.py
            if not there.exists() or (anchor and not in_code and anchor not in anchors(there)):
                astray.append(f"{page.relative_to(PROJECT)}: {target}")
    assert astray == []


def test_every_file_that_is_named_exists():
    built = {"build", "results"}
    rooms = "|".join(
        each.name for each in PROJECT.iterdir() if each.is_dir() and each.name not in built and each.name[0] != "."
    )
    missing = [
        f"{page.relative_to(PROJECT)}: {name}"
        for page in DOCUMENTS
        for name in re.findall(rf"(?<![\w./=-])((?:{rooms})/[\w./-]*\w/?)(?![\w*<{{/-])", page.read_text())
        if not any((folder / name).exists() for folder in (PROJECT, page.parent))
    ]
    assert missing == []


OWN = {"oncoserve", "inference_server"}
LAUNCHER = (PROJECT / "docs/inference_server.md").read_text()
SETTINGS = (PROJECT / "docs/settings.md").read_text()
AWS = (PROJECT / "docs/aws.md").read_text()
TABLES = [(Settings, "ONCO_", SETTINGS + AWS), (TritonSettings, "ONCO_TRITON_", LAUNCHER)]


@pytest.mark.parametrize(("settings", "prefix", "text"), TABLES)
def test_the_settings_tables_are_true(settings, prefix, text):
    others = "(?!TRITON)" if prefix == "ONCO_" else ""
    rows = dict(re.findall(rf"^\| `({prefix}{others}\w+)` \| (.*?) \|", text, re.MULTILINE))
    assert rows.keys() == {prefix + name.upper() for name in settings.model_fields}
    for name, field in settings.model_fields.items():
        variable = prefix + name.upper()
        if variable not in IN_WORDS:
            default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
            assert rows[variable] == f"`{default}`", variable


@pytest.mark.parametrize(("settings", "prefix", "text"), TABLES)
def test_the_meaning_of_each_setting_is_its_docstring(settings, prefix, text):
    source = "".join(inspect.getsource(each) for each in settings.__mro__ if each.__module__.split(".")[0] in OWN)
    for name in settings.model_fields:
        docstring = re.search(rf'    {name}:.*?"""(.*?)"""', source, re.DOTALL)
        assert docstring[1].rstrip(".") in text, name


def code(text):
    """What a page shows as code, a piece a line."""
    fenced = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
    prose = fenced.sub("", text)
    pieces = [*fenced.findall(text), *re.findall(r"^    (.*)$", prose, re.MULTILINE), *re.findall(r"`([^`]+)`", prose)]
    return "\n".join(pieces)


def unknown_commands(text):
    """The make targets, subcommands and modules of ours that a page shows and that do not exist."""
    commands = code(text)
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for target in sorted(set(re.findall(r"^make ([a-z-]+)", commands, re.MULTILINE)) - targets):
        yield f"make {target}"
    for name in set(re.findall(r"(?:^|bin/|-m )oncoserve ([a-z]+)", commands, re.MULTILINE)) - COMMANDS.keys():
        yield f"oncoserve {name}"
    for module in set(re.findall(r"python3? -m ([\w.]+)", commands)):
        room, place = module.split(".")[0], PROJECT.joinpath(*module.split("."))
        ours = room != "build" and (PROJECT / room).is_dir()
        if ours and not (place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()):
            yield f"python -m {module}"


def test_every_command_that_is_named_exists():
    pages = [page for page in DOCUMENTS if page.name != "CHANGELOG.md"]  # which names what is gone
    missing = [f"{page.relative_to(PROJECT)}: {each}" for page in pages for each in unknown_commands(page.read_text())]
    assert missing == []


def test_the_readme_names_commands():
    assert "make run" in README
    assert "oncoserve predict" in README


def test_the_folders_it_names_exist():
    for name in re.findall(r"^    (\S+/) ", README, re.MULTILINE):
        assert (PROJECT / name).is_dir(), name


@pytest.fixture(scope="module")
def elsewhere(frontend, tmp_path_factory):
    """A folder that is no checkout, as of somebody who uses Docker, with the picture of the README's first command."""
    folder = tmp_path_factory.mktemp("elsewhere")
    address = re.search(r"http://localhost:5000(\S+)", curl_lines()[0])[1]
    (folder / "brain.png").write_bytes(httpx.get(frontend.url + address).raise_for_status().content)
    return folder


def curl_lines():
    return [line for line in blocks("sh")[1].splitlines() if line.startswith("curl")]


def type_in(line, frontend, folder):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    line = line.replace("http://localhost:5000", frontend.url)
    done = subprocess.run(shlex.split(line, comments=True), cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_grpc_snippet(triton, elsewhere):
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 16
    code = code.replace("localhost:8001", triton.grpc_url)
    done = subprocess.run([sys.executable, "-c", code], cwd=elsewhere, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("notumor [")


def test_the_curl_lines_and_their_answer(frontend, tmp_path):
    fetch, command = curl_lines()
    type_in(fetch, frontend, tmp_path)
    shown, met = json.loads(blocks("json")[0]), json.loads(type_in(command, frontend, tmp_path))

    def shape(value):
        return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else type(value)

    assert shape(shown) == shape(met)
    # INT8 is calibrated where it is exported: on another kind of CPU its file, and the ids that follow, may differ.
    assert met["probabilities"] == pytest.approx(shown["probabilities"], abs=0.005)
    for document in (shown, met):
        document["provenance"].update(model_sha256="", created="")
        del document["timings_ms"], document["probabilities"]
    assert json.loads(json.dumps(shown).replace(shown["id"], met["id"])) == met


def test_make_run_and_ctrl_c(embedded_triton, model_repository, tmp_path):
    """The first command: says the address when it is ready, and leaves nothing behind on Ctrl-C."""
    ports = {name: str(free_port()) for name in ("ONCO_PORT", "ONCO_TRITON_GRPC_PORT", "ONCO_TRITON_STATUS_PORT",
                                                 "ONCO_TRITON_METRICS_PORT")}  # fmt: skip
    folders = {"ONCO_RESULTS_DIR": str(tmp_path / "results"), "ONCO_TRITON_WORK_DIRECTORY": str(tmp_path)}
    address = f"http://localhost:{ports['ONCO_PORT']}/"
    log = tmp_path / "make.log"
    with log.open("wb") as output:
        make = subprocess.Popen(
            ["make", "run"], cwd=PROJECT, env=os.environ | ports | folders, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 120
        while f"Oncoserve is ready: {address}" not in log.read_text():
            assert make.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        with urllib.request.urlopen(address) as page:
            assert b"Research use only" in page.read()
    finally:
        os.killpg(make.pid, signal.SIGINT)  # what a terminal does on Ctrl-C
        make.wait(40)
    assert "Traceback" not in log.read_text()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(tmp_path).encode() not in path.read_bytes(), f"still running: {path}"
        except OSError:
            continue  # it ended just now


def test_the_hooks_are_make_targets_and_download_nothing():
    configuration = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text())
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert [source["repo"] for source in configuration["repos"]] == ["local"]
    hooks = [hook for source in configuration["repos"] for hook in source["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}
    assert {hook["entry"] for hook in hooks} == {"make lint", "make types", "make quick"}
    assert {hook["entry"].removeprefix("make ") for hook in hooks} <= targets
