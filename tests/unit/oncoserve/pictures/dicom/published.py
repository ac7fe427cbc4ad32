"""The DICOM files that come with pydicom and pydicom-data."""

from pathlib import Path

import pydicom

PACKAGES = Path(pydicom.__file__).parents[1]
FOLDERS = (PACKAGES / "pydicom/data/test_files", PACKAGES / "data_store/data")
FILES = {
    path.relative_to(folder).as_posix(): path
    for folder in FOLDERS
    for path in sorted(folder.rglob("*"))
    if path.is_file() and path.suffix in {".dcm", ""} and path.name not in {"README", "DICOMDIR"}
}

REFUSED = {
    # What they are, they say; see `test_what_is_no_image_is_named`.
    "415": {
        "DICOMDIR-bigEnd", "DICOMDIR-empty.dcm", "DICOMDIR-implicit", "DICOMDIR-nooffset", "DICOMDIR-nopatient",
        "DICOMDIR-reordered", "ExplVR_BigEndNoMeta.dcm", "ExplVR_LitEndNoMeta.dcm", "JPEG-lossy.dcm", "JPGExtended.dcm",
        "UN_sequence.dcm", "empty_charset_LEI.dcm", "liver.dcm", "liver_1frame.dcm", "liver_expb.dcm",
        "liver_expb_1frame.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm", "no_meta.dcm",
        "no_meta_group_length.dcm", "priv_SQ.dcm", "reportsi.dcm", "reportsi_with_empty_number_tags.dcm", "rtplan.dcm",
        "rtplan_truncated.dcm", "rtstruct.dcm", "test-SR.dcm", "waveform_ecg.dcm",
    },
    # Damaged, which is why they are there.
    "422": {"JPEG2000-embedded-sequence-delimiter.dcm", "MR_truncated.dcm", "SC_rgb_jpeg.dcm", "badVR.dcm"},
}  # fmt: skip


def without_pixels(name: str) -> bool:
    """The files of the folders that a DICOMDIR names are headers alone."""
    return Path(name).name.startswith("IM0000")


NOTHING_FOR_PYDICOM = "emri_small_jpeg_2k_lossless_too_short.dcm"
"""It ends before the delimiter of its pixels, all of which are there."""

IMAGES = {
    name: path
    for name, path in FILES.items()
    if Path(name).name not in REFUSED["415"] | REFUSED["422"] and not without_pixels(name)
}
