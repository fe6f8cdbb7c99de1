"""Writes a table with openpyxl and with Python's csv module, in all the ways in which small programs do.

    write_tables.py FOLDER < table.json

The table is a list of rows of cells: null, {"text": "..."}, {"number": 1.5}, {"date": "2021-03-01"}, {"moment": "2021-03-01T08:30:00"} or {"flag": true}.
To csv, numbers go as Python writes them.
"""

import csv
import datetime
import json
import os
import sys

import openpyxl


def value(cell):
    if cell is None:
        return None
    ((kind, content),) = cell.items()
    if kind == "date":
        return datetime.date.fromisoformat(content)
    if kind == "moment":
        return datetime.datetime.fromisoformat(content)
    return content


def main():
    folder = sys.argv[1]
    rows = [[value(cell) for cell in row] for row in json.load(sys.stdin)]

    def sheet(name, write_only):
        book = openpyxl.Workbook(write_only=write_only)
        sheet = book.create_sheet("Staff") if write_only else book.active
        for row in rows:
            sheet.append(row)
        book.save(os.path.join(folder, name))

    sheet("openpyxl.xlsx", False)
    sheet("openpyxl-write-only.xlsx", True)

    def text(name, encoding, **options):
        with open(os.path.join(folder, name), "w", encoding=encoding, errors="strict", newline="") as file:
            csv.writer(file, **options).writerows(rows)

    text("excel.csv", "utf-8", dialect="excel")
    text("excel-with-a-mark.csv", "utf-8-sig", dialect="excel")
    text("excel-tab.csv", "utf-16", dialect="excel-tab")
    text("unix.csv", "utf-8", dialect="unix")
    text("semicolons.csv", "utf-16-be", dialect="excel", delimiter=";", quoting=csv.QUOTE_NONNUMERIC)
    text("bars.csv", "utf-8", dialect="excel", delimiter="|", quoting=csv.QUOTE_MINIMAL, lineterminator="\n")


if __name__ == "__main__":
    main()
