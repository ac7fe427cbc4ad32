"""A kind of file that is not read, and how to make a PNG of it."""

from typing import Final, NamedTuple

SLICE: Final = (
    "python -c \"import SimpleITK as s;v=s.ReadImage('in.{}');"
    "s.WriteImage(s.Cast(s.RescaleIntensity(v[:,:,v.GetDepth()//2]),s.sitkUInt8),'out.png')\" "
    "(one slice; pip install SimpleITK)"
)
CODECS: Final = "python -c \"import imagecodecs as i;i.imwrite('out.png',i.imread('in.{}'))\" (pip install imagecodecs)"
UNPACK: Final = "Unpack it and take the pictures in it ({})."


class Unread(NamedTuple):
    """A kind of file.

    Attributes:
        name: with its article, such as "a TIFF".
        convert: a command that makes `out.png` of it, and what it comes with.
        words: what else to do, as a sentence.
    """

    name: str
    convert: str = ""
    words: str = ""


def magick(suffix: str) -> str:
    """ImageMagick's way, for the first of several pictures; the quotes are those of every shell."""
    return f'magick "in.{suffix}[0]" out.png (ImageMagick)'
