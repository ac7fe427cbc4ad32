"""What ends a command before its time, and the exit code that says so."""

EXIT_FINE = 0
EXIT_SOME_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
OTHERS = "http_"  # begins the code of an answer that is not the service's own, a gateway's for example
EXIT_INTERRUPTED = 130  # what a shell gives for a command that Ctrl-C ended


class ClientError(Exception):
    """Base of all errors that end a command; its text is for the person at the terminal."""

    exit_code = EXIT_USAGE


class UsageError(ClientError):
    """The command, the folder or the key has to be put right by who called."""


class Interrupted(ClientError):
    """Ctrl-C, where there is something to say about going on."""

    exit_code = EXIT_INTERRUPTED


class Unreachable(ClientError):
    """The service did not answer, or was busy, for longer than the patience given.

    Args:
        words: what happened.
        status: of the last answer that put us off; None where there was none.
    """

    exit_code = EXIT_UNREACHABLE

    def __init__(self, words: str, status: int | None = None) -> None:
        super().__init__(words)
        self.status = status


class Refused(ClientError):
    """The service said no, in its own words.

    Args:
        status: of the answer.
        code: the problem's stable code; OTHERS and the status where the answer is not the service's own.
        detail: what happened and what to do.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        hint = " Here that is --key-file, or the variable ONCO_API_KEY." if code == "unauthorised" else ""
        super().__init__(f"The service refuses ({status} {code}): {detail}{hint}")
        self.status, self.code, self.detail = status, code, detail
        self.by_service = not code.startswith(OTHERS)
        self.exit_code = EXIT_USAGE if status < 500 else EXIT_UNREACHABLE  # noqa: PLR2004 - server errors


class Lost(Exception):
    """The connection ended before the answer: nobody here knows whether the request was carried out."""
