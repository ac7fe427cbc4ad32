"""What can keep Triton from starting, in words that say what to do."""


class LaunchError(Exception):
    """Triton cannot be started, or did not become ready; the message says why and what to do."""


class SettingsError(LaunchError):
    """An ONCO_TRITON_* variable is unknown or out of bounds; the message names it."""
