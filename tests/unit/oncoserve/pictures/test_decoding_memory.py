"""What decoding takes, measured by the kernel, against what the header said before."""

import subprocess
import sys

MEASURE = r"""
import re, sys
from pathlib import Path
import numpy as np
from PIL import Image
from oncoserve.pictures.decode import decode, read_header
from oncoserve.runtime.memory import return_large_buffers
from testbed.encoded_pictures import encoded
from testbed.picture_files.dicom_files import mr_slice
from testbed.picture_files.icc_profiles import P3_XY, rgb_profile, srgb_curve
from testbed.picture_files.raw_png import raw_png

return_large_buffers()
SIDE = 3000
blocks = np.random.default_rng(1).integers(0, 255, (SIDE // 8, SIDE // 8, 3), np.uint8)
levels = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
rgb = Image.fromarray(levels)
turned = Image.Exif()
turned[0x0112] = 6
files = {
    "rgb": encoded(rgb, compress_level=1),
    "rgba": encoded(rgb.convert("RGBA"), compress_level=1),
    "turned rgba": encoded(rgb.convert("RGBA"), compress_level=1, exif=turned),
    "16 bit": encoded(Image.fromarray(levels[..., 0].astype(np.uint16)), compress_level=1),
    "16 bit rgb": raw_png(levels.astype(np.uint16) * 5, filter_type=0),
    "16 bit rgba": raw_png(np.dstack([levels, levels[..., 0]]).astype(np.uint16) * 5, filter_type=0),
    "profile": encoded(rgb.convert("RGBA"), compress_level=1, icc_profile=rgb_profile(P3_XY, srgb_curve(), "")),
    "palette": encoded(rgb.quantize(16), compress_level=1, transparency=3),
    "cmyk": encoded(rgb.convert("CMYK"), "JPEG", exif=turned),
    "progressive": encoded(rgb, "JPEG", progressive=True, subsampling=0),
    "progressive cmyk": encoded(rgb.convert("CMYK"), "JPEG", progressive=True, subsampling=0),
    "dicom": mr_slice(levels[..., 0].astype(np.uint16) * 5),
    "dicom with a slope": mr_slice(levels[..., 0].astype(np.uint16) * 5, RescaleSlope="0.37", RescaleIntercept="-1"),
}
del rgb, levels

def status(name):
    return int(re.search(name + r":\s+(\d+)", Path("/proc/self/status").read_text())[1]) * 1024

for name, data in files.items():
    said = read_header(data, 10**9).decoding_bytes
    base = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    picture = decode(data, 10**9, "#000000")
    peak = status("VmHWM") - base
    picture.pixels
    del picture
    print(name, round(peak / said, 2), round((status("VmHWM") - base) / said, 2), sep=",")
"""


def test_no_kind_takes_more_than_its_header_says():
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    met = {
        name: (float(peak), float(array))
        for name, peak, array in (line.split(",") for line in done.stdout.split("\n") if line)
    }
    assert len(met) == 13
    # Bands of rows come on top: of a picture as small as this, a twelfth.
    assert {name: each for name, each in met.items() if max(each) > 1.15} == {}
    assert met["progressive cmyk"][0] > 0.8  # it is measured at all
