"""What NVIDIA's driver says of itself and of the GPUs, asked through libcuda.so.1 as every CUDA program does."""

import ctypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LIBRARY: Final = "libcuda.so.1"
MIB: Final = 1024 * 1024
OLDEST_DRIVER: Final = {12: "525", 13: "580"}
"""The oldest driver for each CUDA, by NVIDIA's table "CUDA Toolkit and Minimum Required Driver Version"."""

_SUCCESS, _OUT_OF_MEMORY = 0, 2
_VERSION_FILE = Path("/proc/driver/nvidia/version")


class DriverProblem(Exception):
    """The driver, or a GPU, cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Device:
    """A GPU.

    Attributes:
        name: The maker's.
        free_bytes: Memory that nobody uses, beside what a CUDA program needs for itself.
        total_bytes: Memory.
    """

    name: str
    free_bytes: int
    total_bytes: int


class CudaDriver:
    """The driver of this machine.

    Args:
        cuda: The number of the CUDA that has to run, such as 13.

    Raises:
        DriverProblem: There is none, it is too old, or it finds no GPU.
    """

    def __init__(self, cuda: int) -> None:
        try:
            self._library = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise DriverProblem(
                f"There is no NVIDIA driver here ({error}). Install driver {_oldest(cuda)} or newer; in a container, "
                "give it a GPU (`docker run --gpus all`, NVIDIA Container Toolkit)."
            ) from error
        self.version = driver_version()
        """Such as "580.65.06"; empty where the system does not say."""
        self._check_age(cuda)
        if code := self._library.cuInit(0):
            raise DriverProblem(f"{self} finds no GPU that works: cuInit says {self._name(code)}.")
        self._count = self._number("cuDeviceGetCount")
        if self._count == 0:
            raise DriverProblem(f"{self} shows no GPU to this process.")

    def __str__(self) -> str:
        """Its name in a sentence."""
        return f"The NVIDIA driver {self.version}".rstrip()

    def devices(self) -> list[Device]:
        """The GPUs that this process may use. Opens a CUDA context on each, which takes some hundred MiB of its memory.

        Raises:
            DriverProblem: One of them has no memory left, or does not work.
        """
        return [self._device(number) for number in range(self._count)]

    def _check_age(self, cuda: int) -> None:
        major, rest = divmod(self._number("cuDriverGetVersion"), 1000)
        if major < cuda:
            raise DriverProblem(
                f"{self} is too old: it runs CUDA {major}.{rest // 10}, and "
                f"CUDA {cuda} is installed, which needs driver {_oldest(cuda)} or newer. Update the driver."
            )

    def _device(self, number: int) -> Device:
        name = ctypes.create_string_buffer(256)
        handle, context = ctypes.c_int(), ctypes.c_void_p()
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._ask("cuDeviceGet", ctypes.byref(handle), number)
        self._ask("cuDeviceGetName", name, len(name), handle)
        what = f"GPU {number} ({name.value.decode()})"
        self._ask("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle, what=what)
        try:
            self._ask("cuCtxSetCurrent", context, what=what)
            self._ask("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total), what=what)
        finally:
            self._library.cuDevicePrimaryCtxRelease_v2(handle)
        return Device(name.value.decode(), free.value, total.value)

    def _number(self, function: str) -> int:
        number = ctypes.c_int()
        self._ask(function, ctypes.byref(number))
        return number.value

    def _ask(self, function: str, *arguments: Any, what: str = "") -> None:  # noqa: ANN401 - whatever C takes
        code = getattr(self._library, function)(*arguments)
        if code == _OUT_OF_MEMORY:
            raise DriverProblem(no_memory(what or "A GPU"))
        if code != _SUCCESS:
            raise DriverProblem(f"{what or self} does not work: {function} says {self._name(code)}.")

    def _name(self, code: int) -> str:
        text = ctypes.c_char_p()
        self._library.cuGetErrorName(code, ctypes.byref(text))
        return (text.value or b"").decode() or f"error {code}"


def no_memory(what: str) -> str:
    """The sentence about a GPU without memory.

    Args:
        what: It, such as "GPU 0 (NVIDIA H100)".
    """
    return (
        f"{what} has no memory left: end what uses it (`nvidia-smi` lists it), or choose another by ONCO_TRITON_GPUS."
    )


def driver_version() -> str:
    """The version of the kernel's NVIDIA driver, empty where the system does not say."""
    try:
        found = re.search(r"Module(?: for \w+)?\s+(\d+(?:\.\d+)+)", _VERSION_FILE.read_text())
    except OSError:
        return ""
    return found[1] if found else ""


def _oldest(cuda: int) -> str:
    return OLDEST_DRIVER.get(cuda, f"for CUDA {cuda}")
