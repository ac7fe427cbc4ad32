"""The letters that pages are drawn with: the same on every machine, whatever fonts and settings it has."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

# A locked package that ships them.
SHIPPED = Path(find_spec("matplotlib").origin).parent / "mpl-data/fonts/ttf"
# Without hinting a letter is as wide as its outline; fitted to pixels it is wider on some machines, and lines break
# elsewhere.
CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{folder}</dir>
  <cachedir>{folder}/cache</cachedir>
  <match target="font">
    <edit name="antialias"><bool>true</bool></edit>
    <edit name="hinting"><bool>false</bool></edit>
    <edit name="hintstyle"><const>hintnone</const></edit>
    <edit name="rgba"><const>none</const></edit>
  </match>
</fontconfig>
"""


def only_dejavu(folder: Path) -> dict[str, str]:
    """The environment of a browser that knows the DejaVu fonts and no others; they are put into the folder."""
    for path in SHIPPED.glob("DejaVuSans*.ttf"):
        shutil.copy(path, folder)
    configuration = folder / "fonts.conf"
    configuration.write_text(CONFIGURATION.format(folder=folder))
    return {**os.environ, "FONTCONFIG_FILE": str(configuration)}
