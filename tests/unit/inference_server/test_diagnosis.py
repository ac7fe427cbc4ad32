import pytest

from inference_server.diagnosis import explain, last_lines

# Lines as Triton 2.51.0 wrote them.
PORT = (
    'E1122 21:49:33.777461 5555 main.cc:257] "failed to start HTTP service: Unavailable - '
    "Socket '127.0.0.1:18000' already in use \""
)
NO_VERSION = (
    "E1122 22:14:15.362865 27592 model_repository_manager.cc:724] \"failed to load model 'tiny': "
    "at least one version must be available under the version policy of model 'tiny'\""
)
NO_GRAPH = (
    "E1122 22:14:17.131870 27604 model_lifecycle.cc:642] \"failed to load 'tiny' version 1: Internal: "
    'TritonModelException: model.onnx is missing (/models/tiny/1/model.onnx): run `make models`"'
)
NO_GPU = (
    "E1122 22:14:18.734364 27718 model_lifecycle.cc:642] \"failed to load 'tiny' version 1: Invalid argument: "
    'instance group tiny_0 of model tiny has kind KIND_GPU but no GPUs are available"'
)
LIBPYTHON = (
    "/backends/python/triton_python_backend_stub: error while loading shared libraries: "
    "libpython3.11.so.1.0: cannot open shared object file: No such file or directory"
)
REFUSED = (
    "E1126 22:14:18.734364 27718 model_lifecycle.cc:642] \"failed to load 'tiny' version 1: Internal: "
    'TritonModelException: KIND_GPU is impossible: There is no NVIDIA driver (libcuda.so.1: there is no such file)."'
)
FULL = (
    "E1126 22:14:18.734364 27718 model_lifecycle.cc:642] \"failed to load 'tiny' version 1: Internal: "
    "TritonModelException: the graph does not run on cuda:1: CUDA failure 2: out of memory ; GPU=1 ; hostname=vm"
)
INFO = 'I1122 21:49:33.735651 5555 http_server.cc:4713] "Started HTTPService at 127.0.0.1:18000"'
GPU = 'E1122 21:48:39.352431 5189 server.cc:241] "CudaDriverHelper has not been initialized."'


@pytest.mark.parametrize(
    ("line", "meaning"),
    [
        (PORT, "Port 18000 on 127.0.0.1 is taken."),
        (NO_VERSION, "Run `oncoserve models export`, in a checkout `make models`."),
        (NO_GRAPH, "Run `oncoserve models export`, in a checkout `make models`."),
        (
            NO_GRAPH.replace("model.onnx", "model.gpu.onnx"),
            "Run `oncoserve models export`, in a checkout `make models`.",
        ),
        (NO_GPU, "unset ONCO_TRITON_MODEL_CONFIG_NAME"),
        (REFUSED, "There is no NVIDIA driver (libcuda.so.1: there is no such file). Or serve on the CPU"),
        (FULL, "The memory of cuda:1 is full"),
        (LIBPYTHON, "libpython3.11.so.1.0 is missing"),
        ("ModuleNotFoundError: No module named 'onnxruntime'", "The package onnxruntime is not installed"),
        ("boost: No space left on device", "raise shm_size"),
    ],
)
def test_known_lines_are_explained(line, meaning):
    assert meaning in explain([INFO, line])


def test_unknown_lines_are_not_explained():
    assert explain([INFO, "error: the moon is full"]) is None


def test_tables_and_noise_are_left_out(tmp_path):
    log = tmp_path / "triton.log"
    log.write_text(f"{GPU}\n{PORT}\n+---+\n| READY |\n\n{INFO}\n")
    assert last_lines(log) == [PORT]


def test_without_errors_the_last_lines_are_shown(tmp_path):
    log = tmp_path / "triton.log"
    log.write_text("\n".join([INFO, f"{INFO} again", "+---+", "| READY |"]))
    assert last_lines(log, count=1) == [f"{INFO} again"]


def test_a_long_log_is_read_from_its_end(tmp_path):
    log = tmp_path / "triton.log"
    log.write_text(f"{INFO}\n" * 100_000 + PORT)
    assert last_lines(log) == [PORT]


def test_a_log_that_is_no_file_has_no_lines(tmp_path):
    assert last_lines(tmp_path) == []
