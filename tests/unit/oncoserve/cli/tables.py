"""Reading what the command has written."""

import csv


def rows(out):
    with (out / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["file"]: row for row in csv.DictReader(file)}
