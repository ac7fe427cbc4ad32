"""Why somebody's own model cannot be served, in one sentence that says what to do."""

from model_export.export_errors import ExportError


class OwnModelError(ExportError):
    """The model was not added; nothing of it is left behind."""
