"""Logs as JSON lines on standard error: time, level, logger, message, and the fields given as `extra`."""

import json
import logging
import sys
import warnings
from datetime import UTC, datetime

STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Render one record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in STANDARD},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def dropped_lines(count: int) -> str:
    """The line that says that others are missing."""
    record = logging.makeLogRecord({"name": __name__, "msg": "log lines were dropped: nobody read them in time"})
    record.levelname, record.count = "WARNING", count
    return JsonFormatter().format(record)


def configure(level: str) -> None:
    """Send every log of this process through the formatter, from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # What none of our lines contains is not collected; see "Optimization" in Python's logging HOWTO.
    logging._srcfile = None  # noqa: SLF001 - the documented way
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # its steps of starting and stopping are noise here
    # What they say of a DICOM file repeats what is in it; what is wrong with one is in the answer.
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    logging.getLogger("highdicom").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module="pydicom|highdicom")
    logging.getLogger("PIL").setLevel(logging.INFO)  # its debug lines hold the values of EXIF tags
