import argparse
import io
from contextlib import ExitStack, closing

import pydicom
import pytest
from pydicom.data import get_testdata_file

from oncoserve.cli.client.connection import add_options
from oncoserve.cli.pacs.archive_options import add_archive_options, open_archive
from tests.unit.oncoserve.cli.pacs.odd_archive import OddArchive


@pytest.fixture
def open_it(monkeypatch):
    """Opens what the options name, as the command does."""
    monkeypatch.delenv("ONCO_PACS_PASSWORD", raising=False)

    def opened(*arguments):
        parser = argparse.ArgumentParser()
        add_archive_options(parser, required=True)
        add_options(parser)
        return open_archive(parser.parse_args([str(each) for each in arguments]))

    return opened


@pytest.fixture
def odd(open_it):
    """An archive that answers as told, and its client."""
    with ExitStack() as running:

        def start(*answers, options=("--patience-s", "1")):
            server = running.enter_context(OddArchive(*answers))
            return server, running.enter_context(closing(open_it("--dicomweb", server.url, *options)))

        yield start


@pytest.fixture
def image():
    """A file of PS3.10 with changes, by keyword."""

    def make(**changes):
        dataset = pydicom.dcmread(get_testdata_file("MR_small.dcm"))
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        file = io.BytesIO()
        pydicom.dcmwrite(file, dataset)
        return file.getvalue()

    return make
