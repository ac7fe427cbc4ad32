"""What AWS Lambda runs a package on, and whether every compiled library of a package runs there."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

Version = tuple[int, ...]

PYTHONS: Final = ((3, 12), (3, 13))
"""Of Lambda's runtimes those on Amazon Linux 2023 that every locked package has a wheel for; 3.11 and older are on
Amazon Linux 2, with glibc 2.26.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""
NEWEST_OF_AMAZON_LINUX_2: Final = (3, 11)
PROVIDED: Final = MappingProxyType({"GLIBC": (2, 34), "GLIBCXX": (3, 4, 29), "CXXABI": (1, 3, 13), "GCC": (12, 0, 0)})
"""Newest symbol versions of Amazon Linux 2023's C library (2.34) and GCC 11's libraries.
https://docs.aws.amazon.com/linux/al2023/ug/compare-with-al2.html"""
MACHINES: Final = MappingProxyType({"x86_64": "EM_X86_64", "arm64": "EM_AARCH64"})
"""ELF's name of a processor by Lambda's."""
WHEELS: Final = MappingProxyType({"x86_64": "x86_64", "arm64": "aarch64"})
"""The name of a processor in the names of wheels by Lambda's."""


class UnfitPackage(Exception):
    """Lambda could not run the package; says which file, what it needs and what is there."""


@dataclass(frozen=True)
class LambdaRuntime:
    """A Python of Lambda on a processor.

    Attributes:
        python: Its version, two numbers.
        architecture: "x86_64" or "arm64".

    Raises:
        UnfitPackage: There is none that the project's packages run on.
    """

    python: Version
    architecture: str

    def __post_init__(self) -> None:
        """Refuse what cannot work before anything is fetched."""
        known = ", ".join(map(_dotted, PYTHONS))
        if self.python <= NEWEST_OF_AMAZON_LINUX_2:
            raise UnfitPackage(
                f"Lambda's Python {_dotted(self.python)} is on Amazon Linux 2, whose glibc 2.26 is too old for numpy: "
                f"take one of {known}"
            )
        if self.python not in PYTHONS:
            raise UnfitPackage(f"Python {_dotted(self.python)} cannot run the functions: take one of {known}")
        if self.architecture not in MACHINES:
            raise UnfitPackage(f"Lambda has no {self.architecture}: take one of {', '.join(MACHINES)}")

    @property
    def platforms(self) -> tuple[str, ...]:
        """The wheels that run there, best first, as pip names them."""
        newest = PROVIDED["GLIBC"][1]
        processor = WHEELS[self.architecture]
        tags = [f"manylinux_2_{minor}_{processor}" for minor in range(newest, 16, -1)]
        return (*tags, f"manylinux2014_{processor}")

    def check(self, folder: Path) -> int:
        """Read every compiled library below a folder.

        Returns:
            How many there are.

        Raises:
            UnfitPackage: One does not run there.
        """
        libraries = [path for path in sorted(folder.rglob("*.so*")) if path.is_file() and not path.is_symlink()]
        for path in libraries:
            self._check(path, str(path.relative_to(folder)))
        return len(libraries)

    def _check(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            try:
                library = ELFFile(file)
            except ELFError as error:
                raise UnfitPackage(f"{name} is no library for Linux") from error
            if library["e_machine"] != MACHINES[self.architecture]:
                raise UnfitPackage(f"{name} is for {library['e_machine']}, not for {self.architecture}")
            for kind, version in _needed(library):
                if kind in PROVIDED and version > PROVIDED[kind]:
                    has = f"{kind}_{_dotted(PROVIDED[kind])}"
                    raise UnfitPackage(f"{name} needs {kind}_{_dotted(version)}, Amazon Linux 2023 has {has}")


def _needed(library: ELFFile) -> list[tuple[str, Version]]:
    """The versions of symbols that a library wants of others, such as ("GLIBC", (2, 27))."""
    found = []
    for section in library.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, symbols in section.iter_versions():
                for symbol in symbols:
                    kind, _, version = symbol.name.rpartition("_")
                    if kind and version.replace(".", "").isdecimal():
                        found.append((kind, tuple(map(int, version.split(".")))))
    return found


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
