"""What can go wrong with what the testbed starts, makes and asks."""


class ServerFailed(Exception):
    """A server did not become ready, or did not end, as it has to; the message ends with the end of its log."""


class StackFailed(Exception):
    """The emulator of AWS did not make a stack; the message holds its events."""


class NotInTime(Exception):
    """What was waited for did not come."""


class UnexpectedAnswer(AssertionError):
    """The application answered otherwise than a test expects."""
