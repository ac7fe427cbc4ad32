"""Errors of the export; each renders as one line that says what to do.

ExportError
├── FetchError   a wheel cannot be had, or is not the pinned one
└── CheckError   the new graph does not do what the source graph does
"""


class ExportError(Exception):
    """The export stopped; the exported model is as it was before."""


class FetchError(ExportError):
    """A pinned wheel or a file in it is missing, broken or changed."""


class CheckError(ExportError):
    """A check of the new graph met a value over its limit."""

    def __init__(self, check: str, value: float, limit: float) -> None:
        super().__init__(
            f"check {check} failed: {value:.3g} is over the limit of {limit:.3g}; the new graph was thrown away"
        )
        self.check = check
        self.value = value
        self.limit = limit
