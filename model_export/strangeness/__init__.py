"""How unlike the training pictures a picture is, as an output of a graph whose training pictures are not at hand."""
