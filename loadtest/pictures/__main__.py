"""`python -m loadtest.pictures [FOLDER]`: whether other forms of a file get the answers of its 8-bit sRGB form."""

import sys

from loadtest.pictures.same_answers import main

if __name__ == "__main__":
    sys.exit(main())
