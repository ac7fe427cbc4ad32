"""What callers may give with a picture, or with a stored result."""

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from oncoserve.pictures.picture import Chosen

MOST_WIDTH: Final = 1e12
NUMBER: Final = r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d{1,2})?"


class Parameters(BaseModel):
    """A task's parameters as the caller gives them; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PictureParameters(Parameters):
    """What of a file is looked at: of those that hold more than one picture can show, which are DICOM."""

    frame: int | None = Field(
        default=None,
        ge=1,
        description="Of a DICOM file with several, the number of the frame, from 1 on; left out, the first, and in a "
        "job all of them.",
    )
    window: str | None = Field(
        default=None,
        max_length=64,
        pattern=rf"^(?:auto|[1-9]\d{{0,2}}|{NUMBER},{NUMBER})$",
        description="Of a DICOM file, what becomes black and white: CENTRE,WIDTH in its own units, the number of one "
        "of its windows, or `auto` for all but a hundredth of its values on either side; left out, its first window "
        "or table.",
    )

    @field_validator("window")
    @classmethod
    def _has_width(cls, window: str | None) -> str | None:
        if window and "," in window and not 0 < float(window.split(",")[1]) < MOST_WIDTH:
            raise ValueError(f"the width of a window is more than 0 and less than {MOST_WIDTH:g}")
        return window

    @property
    def chosen(self) -> Chosen:
        """For `pictures.decode.read_header`."""
        return Chosen(self.frame, self.window)

    def asked(self) -> dict[str, Any]:
        """As JSON values: what makes a question another one. A choice that was not made is no part of it."""
        unsaid = {name for name in ("frame", "window") if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=unsaid)
