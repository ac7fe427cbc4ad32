"""ICC colour profiles made from numbers: no profile of others is kept here."""

import struct
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

D50: Final = np.array((0.9642, 1.0, 0.8249))
D65_XY, D50_XY = (0.3127, 0.3290), (0.3457, 0.3585)
BRADFORD = np.array(((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296)))
SRGB_XY = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3_XY = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
ADOBE_XY = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
PROPHOTO_XY = ((0.734699, 0.265301), (0.159597, 0.840403), (0.036598, 0.000105))


def srgb_curve() -> bytes:
    """The transfer function of sRGB."""
    numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    return b"para" + struct.pack(">IHH", 0, 3, 0) + b"".join(map(_fixed, numbers))


def gamma_curve(gamma: float) -> bytes:
    """A power."""
    return b"para" + struct.pack(">IHH", 0, 0, 0) + _fixed(gamma)


def rgb_profile(
    primaries: tuple[tuple[float, float], ...],
    curve: bytes,
    name: str,
    *,
    white: tuple[float, float] = D65_XY,
    tags: Mapping[bytes, bytes] | None = None,
) -> bytes:
    """A profile of a matrix and a curve.

    Args:
        primaries: x and y of red, green and blue.
        curve: Of all three channels.
        name: The profile's description.
        white: x and y.
        tags: More of them.
    """
    matrix = adapted_matrix(primaries, white)
    columns = {
        tag: b"XYZ \0\0\0\0" + b"".join(map(_fixed, matrix[:, i])) for i, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))
    }
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    return profile(b"RGB ", columns | curves | dict(tags or {}), name)


def grey_profile(curve: bytes, name: str = "Gray Gamma") -> bytes:
    """A profile of one curve."""
    return profile(b"GRAY", {b"kTRC": curve}, name)


def cmyk_profile(name: str = "Press") -> bytes:
    """A printing press that could exist: its sixteen full and empty inks, and straight lines between them."""
    corners = np.array([[number >> bit & 1 for bit in (3, 2, 1, 0)] for number in range(16)])
    rgb = 0.05 + 0.9 * (1 - corners[:, :3]) * (1 - corners[:, 3:])
    lab = _lab((rgb**2.2) @ adapted_matrix(SRGB_XY, D65_XY).T)
    table = np.rint(np.stack([lab[:, 0] * 2.55, lab[:, 1] + 128, lab[:, 2] + 128], 1)).clip(0, 255).astype(np.uint8)
    identity = b"".join(map(_fixed, np.eye(3).ravel()))
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + 4 * ramp + table.tobytes() + 3 * ramp
    return profile(b"CMYK", {b"A2B0": lut}, name, kind=b"prtr", connection=b"Lab ")


def profile(
    space: bytes, tags: Mapping[bytes, bytes], name: str, *, kind: bytes = b"mntr", connection: bytes = b"XYZ "
) -> bytes:
    """A profile, version 4.

    Args:
        space: Of the samples.
        tags: Their content.
        name: The profile's description.
        kind: The profile's class.
        connection: "XYZ " or "Lab ".
    """
    text = name.encode("utf-16-be")
    words = b"mluc" + struct.pack(">III", 0, 1, 12) + b"enUS" + struct.pack(">II", len(text), 28) + text
    elements = {b"desc": words, b"cprt": words, b"wtpt": b"XYZ \0\0\0\0" + b"".join(map(_fixed, D50)), **tags}
    table, content, start = b"", b"", 132 + 12 * len(elements)
    for tag, element in elements.items():
        table += struct.pack(">4sII", tag, start + len(content), len(element))
        content += element + bytes(-len(element) % 4)
    header = bytearray(128)
    struct.pack_into(">I4sI4s4s4s", header, 0, start + len(content), b"lcms", 0x04200000, kind, space, connection)
    header[36:40] = b"acsp"
    header[68:80] = b"".join(map(_fixed, D50))
    return bytes(header) + struct.pack(">I", len(elements)) + table + content


def adapted_matrix(primaries: tuple[tuple[float, float], ...], white: tuple[float, float]) -> NDArray[np.float64]:
    """(3, 3): linear red, green and blue to XYZ under D50."""
    columns = np.array([_xyz(each) for each in primaries]).T
    matrix = columns * np.linalg.solve(columns, _xyz(white))
    cones = (BRADFORD @ D50) / (BRADFORD @ _xyz(white))
    adapted: NDArray[np.float64] = np.linalg.solve(BRADFORD, np.diag(cones) @ BRADFORD) @ matrix
    return adapted


def _xyz(xy: tuple[float, float]) -> NDArray[np.float64]:
    x, y = xy
    return np.array((x / y, 1.0, (1 - x - y) / y))


def _lab(xyz: NDArray[np.float64]) -> NDArray[np.float64]:
    x, y, z = np.cbrt(np.maximum(xyz / D50, 0.008856)).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], 1)


def _fixed(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))
