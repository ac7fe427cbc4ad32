"""Pictures as the service reads them."""

from oncoserve.pictures.decode import decode

LIMIT = 10**7


def read(data, background="#0000ff"):
    return decode(data, LIMIT, background)


def codes(picture):
    return [each.code for each in picture.warnings]
