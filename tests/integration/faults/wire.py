"""A server on the real gRPC wire that says what a broken Triton might: it looks like one model, `tiny`."""

import threading
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import grpc
import numpy as np
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc

from testbed.model_folder import CLASSES

TRUTH = np.full((1, len(CLASSES)), 1 / len(CLASSES), np.float32)


def response(array, *, kind="FP32", shape=None, name="probabilities", raw=None):
    answer = service_pb2.ModelInferResponse(model_name="tiny", model_version="1")
    answer.outputs.add(name=name, datatype=kind, shape=shape or array.shape)
    answer.raw_output_contents.append(array.tobytes() if raw is None else raw)
    return answer


def filled(value):
    return response(np.full_like(TRUTH, value))


class Wire(service_pb2_grpc.GRPCInferenceServiceServicer):
    """A gRPC server, a context manager."""

    TRUE = "truth"
    NONSENSE = MappingProxyType({
        "NaN": lambda: filled(np.nan),
        "infinity": lambda: filled(np.inf),
        "negative": lambda: response(np.array([[-1, 1, 1, 0]], np.float32)),
        "sum above 1": lambda: filled(0.9),
        "another shape": lambda: response(np.full((1, 9), 1 / 9, np.float32)),
        "another rank": lambda: response(TRUTH[0]),
        "two of a batch": lambda: response(np.repeat(TRUTH, 2, axis=0)),
        "another type": lambda: response(np.zeros((1, 4), np.int64), kind="INT64"),
        "strings": lambda: response(TRUTH, kind="BYTES", raw=b"\x01\x00\x00\x00a" * 4),
        "strings that end too early": lambda: response(TRUTH, kind="BYTES", raw=b"\x09"),
        "a type that is none": lambda: response(TRUTH, kind="FP99"),
        "fewer bytes": lambda: response(TRUTH, raw=b"\x00" * 5),
        "more bytes": lambda: response(TRUTH, raw=b"\x00" * 64),
        "no bytes": lambda: response(TRUTH, raw=b""),
        "a negative size": lambda: response(TRUTH, shape=(-1, -4)),
        "another name": lambda: response(TRUTH, name="other"),
        "nothing": service_pb2.ModelInferResponse,
    })  # fmt: skip

    def __init__(self):
        self.cancelled = 0
        self._kind, self._delay_s = self.TRUE, 0.0
        self._closing = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(8))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.grpc_url = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._closing.set()
        self._server.stop(None).wait()

    def answer_with(self, kind, delay_s=0.0):
        """What the next inference requests get: "truth" or a name from NONSENSE, so many seconds later."""
        self._kind, self._delay_s = kind, delay_s

    def ModelStatistics(self, request, context):  # noqa: N802 - the service's own name
        return service_pb2.ModelStatisticsResponse(model_stats=[{"name": "tiny", "version": "1"}])

    def ModelConfig(self, request, context):  # noqa: N802
        config = model_config_pb2.ModelConfig(name=request.name, backend="onnxruntime", max_batch_size=8)
        config.input.add(name="image", data_type=model_config_pb2.TYPE_UINT8, dims=[16, 16, 3])
        config.output.add(name="probabilities", data_type=model_config_pb2.TYPE_FP32, dims=[len(CLASSES)])
        return service_pb2.ModelConfigResponse(config=config)

    def ModelInfer(self, request, context):  # noqa: N802
        over = threading.Event()
        context.add_callback(over.set)
        if self._delay_s and over.wait(self._delay_s):
            self.cancelled += 1
        return response(TRUTH) if self._kind == self.TRUE else self.NONSENSE[self._kind]()
