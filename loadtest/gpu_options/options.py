"""The ways to run a graph that are compared."""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class Option:
    """One way to run a graph.

    Attributes:
        provider: Options of the CUDA provider, over those of the backend.
        feed: `run` gives NumPy arrays and takes new ones; `bound` writes outputs into arrays made beforehand; `device`
            keeps input and output on the GPU at fixed addresses and copies to and from them.
        pinned: The input's memory is page-locked.
        fixed: The batch size is a constant of the graph.
        sessions: So many run side by side, each in a thread of its own.
    """

    provider: dict[str, str] = field(default_factory=dict)
    feed: str = "run"
    pinned: bool = False
    fixed: bool = False
    sessions: int = 1


NHWC, GRAPH = {"prefer_nhwc": "1"}, {"enable_cuda_graph": "1"}
OPTIONS: Final = MappingProxyType(
    {
        "plain": Option(),
        "exhaustive": Option({"cudnn_conv_algo_search": "EXHAUSTIVE"}),
        "default_algo": Option({"cudnn_conv_algo_search": "DEFAULT"}),
        "no_tf32": Option({"use_tf32": "0"}),
        "prefer_nhwc": Option(NHWC),
        "fuse_conv_bias": Option({"fuse_conv_bias": "1"}),
        "fixed_shape": Option(fixed=True),
        "bound_output": Option(feed="bound"),
        "bound_device": Option(feed="device"),
        "pinned": Option(pinned=True),
        "cuda_graph": Option(GRAPH, "device", fixed=True),
        "two_sessions": Option(sessions=2),
        "four_sessions": Option(sessions=4),
        "nhwc_pinned_graph": Option({**NHWC, **GRAPH}, "device", pinned=True, fixed=True),
        "nhwc_two_sessions": Option(NHWC, sessions=2),
        "nhwc_pinned_graph_two": Option({**NHWC, **GRAPH}, "device", pinned=True, fixed=True, sessions=2),
    }
)
