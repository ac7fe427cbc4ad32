import pytest

from oncoserve.cli.main import main

PULL = ("pacs", "pull", "--model", "tiny", "--dicomweb", "http://localhost:8042/dicom-web")
LISTEN = ("pacs", "listen", "--model", "tiny", "--spool", "/nowhere/spool")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("pacs",), "the following arguments are required: {pull,listen}"),
        ((*PULL, "--study", "1.2/3"), "expected a UID"),
        ((*PULL, "--since", "2026"), "expected a day such as 2026-11-28, got '2026'"),
        ((*PULL, "--modality", "mr"), "expected a modality such as MR, got 'mr'"),
        ((*PULL, "--outputs", "seg,stl"), "expected some of seg,sc,sr, got 'seg,stl'"),
        ((*PULL, "--since", "2026-11-28", "--days", "2"), "not allowed with argument"),
        ((*LISTEN, "--aet", "SEVENTEEN_LETTERS"), "expected an AE title, 16 characters at most"),
        ((*LISTEN, "--send-to", "PACS"), "expected AET@HOST:PORT, got 'PACS'"),
    ],
)
def test_what_is_given_wrongly(capsys, arguments, words):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("where", [(), ("--send-to", "PACS@h:1", "--dicomweb", "http://localhost/x")])
def test_the_outputs_of_a_listener_go_to_one_place(capsys, where):
    assert main([*LISTEN, *where]) == 2
    assert "either --dicomweb or --send-to" in capsys.readouterr().err
