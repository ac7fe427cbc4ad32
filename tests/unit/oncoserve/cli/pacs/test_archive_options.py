import pytest

from oncoserve.cli.client.client_errors import UsageError
from tests.unit.oncoserve.cli.pacs.odd_archive import found


def sent(odd, *options):
    server, archive = odd(found([]), options=options)
    assert list(archive.studies({})) == []
    return server.asked[0][3].get("Authorization")


def test_a_password_of_a_file_or_of_the_environment(odd, monkeypatch, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("pass\n")
    basic = "Basic dXNlcjpwYXNz"
    assert sent(odd, "--user", "user", "--password-file", secret) == basic
    monkeypatch.setenv("ONCO_PACS_PASSWORD", "pass")
    assert sent(odd, "--user", "user") == basic
    assert sent(odd) is None


def test_a_token(odd, tmp_path):
    (tmp_path / "token").write_text("abc\n")
    assert sent(odd, "--token-file", tmp_path / "token") == "Bearer abc"


def test_nothing_is_taken_from_netrc(odd, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login user password pass\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert sent(odd) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--user", "user"), "The password of --user is missing"),
        (("--password-file", "x"), "--password-file needs --user"),
        (("--user", "user", "--token-file", "x"), "Either --user or --token-file"),
        (("--token-file", "/nowhere/x"), "/nowhere/x cannot be read: No such file or directory"),
        (("--token-file", "/dev/null"), "/dev/null has no secret in it"),
        (("--ca-file", "/nowhere/x"), "There is no file /nowhere/x"),
    ],
)
def test_what_is_missing_is_named(open_it, options, words):
    with pytest.raises(UsageError, match=words):
        open_it("--dicomweb", "http://localhost/dicom-web", *options)


def test_nothing_travels_in_clear_to_another_machine(open_it):
    far = "http://pacs.example/dicom-web"
    with pytest.raises(UsageError, match=r"What goes to pacs\.example by http can be read on the way"):
        open_it("--dicomweb", far)
    open_it("--dicomweb", far, "--insecure-http")
    open_it("--dicomweb", "https://pacs.example/dicom-web")
