"""A PACS by DICOMweb on loopback that does what a real one does on a bad day."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class OddArchive:
    """Answers by `answers`, functions that take a request's path and query and give status, media type and body.

    Attributes:
        answers: each for one request, in turn; the last one for all that follow.
        asked: method, path, query and headers of each request.
    """

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []
        odd = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query))
                odd.asked.append((self.command, parts.path, query, dict(self.headers)))
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                now = odd.answers.pop(0) if len(odd.answers) > 1 else odd.answers[0]
                status, media_type, body, *headers = now(parts.path, query)
                self.send_response(status)
                for name, value in (("Content-Type", media_type), ("Content-Length", str(len(body))), *headers):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 - as the library names them

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/dicom-web"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def studies(*uids):
    """What a search for studies finds."""
    return [{"0020000D": {"vr": "UI", "Value": [uid]}} for uid in uids]


def found(objects, status=200, *headers):
    """An answer in DICOM's JSON."""
    return lambda path, query: (status, "application/dicom+json", json.dumps(objects).encode(), *headers)


def fails(status, *headers):
    """An error, with a patient in its words."""
    return lambda path, query: (status, "text/plain", b"Doe^Jane has no such thing", *headers)
