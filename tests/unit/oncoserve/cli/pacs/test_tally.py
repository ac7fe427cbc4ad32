from collections import Counter

from oncoserve.cli.pacs.tally import Tally


def test_counts_add_up_in_words():
    total = Tally(studies=1, images=2, asked=1, stored=3)
    total.add(Tally(studies=1, images=3, before=1, there=1, waiting=1, nothing=2, refused=Counter(out_of_scope=2)))
    total.add(Tally(lost=Counter({"404 Not Found": 1})))
    assert total.failures == 3
    assert Tally(images=1).words().startswith("1 image;")
    assert total.words() == (
        "2 studies, 5 images; 1 asked about, 1 done before; 3 stored, 1 already there; 1 left to ask about; "
        "2 with nothing to store; 2 refused by the service (2 x out_of_scope); 1 to be tried again (1 x 404 Not Found)."
    )
