"""What an MR image is weighted by: as the file says it, or as its times do."""

import math
import re
from typing import Final

from pydicom.dataset import Dataset

STATED: Final = {
    "T1": "T1",
    "T2": "T2",
    "T2_STAR": "T2*",
    "FLUID_ATTENUATED": "FLAIR",
    "PROTON_DENSITY": "PD",
    "DIFFUSION": "DWI",
    "PERFUSION": "PERFUSION",
    "TOF": "ANGIOGRAPHY",
    "MRA": "ANGIOGRAPHY",
}
"""By Acquisition Contrast, which enhanced images have (PS3.3, C.8.13.3.1.1)."""
NAMES: Final = (
    ("FLAIR", re.compile(r"flair|dark.?fluid", re.IGNORECASE)),
    ("DWI", re.compile(r"dwi|diff|adc|trace", re.IGNORECASE)),
    ("T2*", re.compile(r"t2.?\*|t2.?star|swi|hemo", re.IGNORECASE)),
    ("T2", re.compile(r"(?<![a-z0-9])t2", re.IGNORECASE)),
    ("T1", re.compile(r"(?<![a-z0-9])t1|mprage|bravo|spgr", re.IGNORECASE)),
    ("PD", re.compile(r"(?<![a-z])pd|proton", re.IGNORECASE)),
)
"""Words of a series' or protocol's name; the first that is found. The name itself is repeated nowhere."""
SHORT_ECHO_MS, LONG_ECHO_MS, SHORT_REPETITION_MS, LONG_REPETITION_MS = 40, 70, 1000, 1800
"""Of spin echoes, as textbooks have them; what lies between is told from no number."""
FLUID_INVERSION_MS: Final = 1500


def weighting_of(said: Dataset) -> str:
    """`T1`, `T2`, `T2*`, `FLAIR`, `PD`, `DWI`, `PERFUSION`, `ANGIOGRAPHY`; empty where it is not MR, or cannot be told.

    Args:
        said: of the frame: see `Instance.of_frame`.
    """
    if str(said.get("Modality")).upper() != "MR":
        return ""
    stated = STATED.get(str(said.get("AcquisitionContrast")).upper(), "")
    return stated or _by_name(said) or _by_times(said)


def _by_name(said: Dataset) -> str:
    text = " ".join(str(said.get(each) or "") for each in ("SeriesDescription", "ProtocolName", "SequenceName"))
    return next((weighting for weighting, pattern in NAMES if pattern.search(text)), "")


def _by_times(said: Dataset) -> str:
    """Of a spin echo."""
    if "SE" not in str(said.get("ScanningSequence") or ""):
        return ""
    echo, repetition, inversion = (_ms(said, each) for each in ("EchoTime", "RepetitionTime", "InversionTime"))
    if inversion >= FLUID_INVERSION_MS:
        return "FLAIR"
    if echo <= SHORT_ECHO_MS and 0 < repetition <= SHORT_REPETITION_MS:
        return "T1"
    if repetition >= LONG_REPETITION_MS:
        return "T2" if echo >= LONG_ECHO_MS else "PD" if echo <= SHORT_ECHO_MS else ""
    return ""


def _ms(said: Dataset, keyword: str) -> float:
    """0 where it is not said."""
    try:
        value = float(said.get(keyword) or 0)
    except (TypeError, ValueError):
        return 0
    return value if math.isfinite(value) else 0
