import pytest

from oncoserve.tasks.undetermined import classes_close, nothing_seen, unlike_training


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (classes_close(0.58794, 0.588), "the most probable has 0.5879, and 0.588 is the limit"),
        (classes_close(0.5, 0.588), "the most probable has 0.5, and 0.588 is the limit"),
        (nothing_seen(0.29997, 0.3, "tumour"), "its mask reaches 0.29997, and 0.3 is the limit"),
        (unlike_training(1.6234, 1.12), "strangeness 1.62, and 1.12 is the limit"),
        (unlike_training(1.1200004, 1.12), "strangeness 1.1200004, and 1.12 is the limit"),
    ],
)
def test_what_was_met_never_reads_as_the_limit(found, words):
    assert words in found.text
