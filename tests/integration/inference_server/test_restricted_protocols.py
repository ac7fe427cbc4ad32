"""What changes Triton, or shows its memory, needs the secret of the launch; inference and health do not."""

import pytest
import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

HANDLE = b"h" * 64  # the length of a CUDA memory handle
RESTRICTED = {
    "repository index": lambda client, **how: client.get_model_repository_index(**how),
    "load": lambda client, **how: client.load_model("tiny", **how),
    "load from elsewhere": lambda client, **how: client.load_model("../../etc", **how),
    "unload": lambda client, **how: client.unload_model("tiny", **how),
    "memory": lambda client, **how: client.get_system_shared_memory_status(**how),
    "register": lambda client, **how: client.register_system_shared_memory("own", "/own", 64, **how),
    "unregister": lambda client, **how: client.unregister_system_shared_memory("own", **how),
    "CUDA memory": lambda client, **how: client.get_cuda_shared_memory_status(**how),
    "register CUDA": lambda client, **how: client.register_cuda_shared_memory("own", HANDLE, 0, 64, **how),
    "unregister CUDA": lambda client, **how: client.unregister_cuda_shared_memory("own", **how),
    "trace": lambda client, **how: client.update_trace_settings("tiny", {"trace_level": ["TENSORS"]}, **how),
    "logging": lambda client, **how: client.update_log_settings({"log_verbose_level": 9}, **how),
}


@pytest.mark.parametrize("call", RESTRICTED)
def test_without_the_secret_nothing_is_changed_or_shown(client, call):
    """Triton names the header in its refusal, so the name is no secret: a wrong value is tried under it."""
    header = refusal(client, RESTRICTED[call]).rpartition("'triton-grpc-protocol-")[2].rstrip("'")
    for wrong in ("", "wrong"):
        assert header in refusal(client, RESTRICTED[call], headers={f"triton-grpc-protocol-{header}": wrong})
    assert client.is_model_ready("tiny")


def refusal(client, call, **how):
    with pytest.raises(InferenceServerException, match="This protocol is restricted") as refused:
        call(client, **how)
    return refused.value.message()


def test_the_python_backends_memory_cannot_be_registered(client, tiny_triton):
    """CVE-2025-23319 and its like begin with this; the region is there, and its name is known."""
    region = tiny_triton.shared_memory()[0].name
    with pytest.raises(InferenceServerException, match="This protocol is restricted"):
        client.register_system_shared_memory("own", f"/{region}", 64)
    image = grpcclient.InferInput("image", [1, 16, 16, 3], "UINT8")
    image.set_shared_memory("own", 768)
    with pytest.raises(InferenceServerException, match="Unable to find shared memory region"):
        client.infer("tiny", [image])
