#!/usr/bin/env python3
"""Reading and checking tables: rosterd against what a user would use instead, in one run, interleaved, each in a process of its own.

    cargo build --release --example read_file
    python3 -m venv /tmp/readers && /tmp/readers/bin/pip install duckdb polars fastexcel python-calamine xlsxwriter
    /tmp/readers/bin/python benches/readers/tables.py [CSV_ROWS XLSX_ROWS ROUNDS]

A CSV of 1,000,000 rows and a workbook of 100,000, both of 30 columns, invented people. rosterd reads in its contained child, carries the rows over to the
parent and checks every cell of every field it knows. DuckDB and polars read all columns and cast the dates and the pay of each row; python-calamine,
polars.read_excel and calamine's streaming reader only read.
"""
import csv
import datetime
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

OURS = "target/release/examples/read_file"
HEADER = (
    "Employee ID,Username,Work Email,Personal Email,Title,First Name,Middle Name,Last Name,Preferred Name,Full Name,Job Title,Department,Division,Company,"
    "Cost Center,Location,Manager ID,Employment Status,Employment Type,Hire Date,Birth Date,Gender,Work Phone,Mobile,Street 1,City,State,Zip,Country,Annual Salary"
).split(",")


def people(count):
    rng = random.Random(7)
    first = ["Ada", "Björn", "Chloé", "Dana", "Emeka", "Fatima", "Grace", "Hồ"]
    last = ["Li", "Smith, Jr.", "Núñez", "Weiß", "O'Neill", "Okafor", "Hopper", "Nguyễn"]
    day = datetime.date(1990, 1, 1)
    for number in range(count):
        a, b = rng.choice(first), rng.choice(last)
        user = f"user{number:07}"
        yield [
            f"{number:07}", user, f"{user}@acme.example", f"{user}@home.example", "Mx", a, "", b, a, f"{a} {b}", "Engineer", f"Department {number % 40}", "Works",
            "Acme", f"CC{number % 90}", "Ulm", f"{number // 10:07}", "Active", "Full time", str(day + datetime.timedelta(days=number % 12000)),
            str(day + datetime.timedelta(days=number % 9000 - 9000)), "X", "+49 731 1234567", "+49 170 7654321", f"Main Street {number % 200}", "Ulm", "BW", f"{number % 99999:05}",
            "DE", f"{30000 + number % 90000}.50",
        ]


DUCKDB = """
import duckdb, sys
c = duckdb.connect(); c.execute("set threads=2")
dates, pay = ["Hire Date", "Birth Date"], ["Annual Salary"]
casts = [f'count(*) filter (where try_cast("{n}" as date) is null)' for n in dates] + [f'count(*) filter (where try_cast("{n}" as decimal(12,2)) is null)' for n in pay]
rest = 'count(*) filter (where not contains("Work Email", \\'@\\')), sum(length(columns(*)))'
print(c.execute(f"select count(*), {', '.join(casts)}, {rest} from read_csv(?, all_varchar=true, header=true)", [sys.argv[1]]).fetchone()[:5])
"""
POLARS = """
import polars as pl, sys
f = pl.read_csv(sys.argv[1], infer_schema=False)
print(f.select(pl.len(), pl.col("Hire Date", "Birth Date").str.to_date("%Y-%m-%d", strict=False).null_count(), pl.col("Annual Salary").cast(pl.Float64, strict=False).null_count(),
    (~pl.col("Work Email").str.contains("@", literal=True)).sum()).row(0))
"""
PYTHON_CALAMINE = """
import sys
from python_calamine import CalamineWorkbook
print(sum(len(row) for row in CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_index(0).iter_rows()))
"""
POLARS_EXCEL = """
import polars as pl, sys
print(pl.read_excel(sys.argv[1], infer_schema_length=0).shape)
"""


def write_csv(path, count):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(people(count))


def write_xlsx(path, count):
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"strings_to_numbers": False}) as book:
        sheet = book.add_worksheet("Staff")
        sheet.write_row(0, 0, HEADER)
        for at, row in enumerate(people(count), 1):
            sheet.write_row(at, 0, row)


def run(command):
    """Wall seconds, CPU seconds and peak megabytes of the largest process."""
    timed = subprocess.run(["/usr/bin/time", "-f", "%e %U %S %M", *command], check=True, capture_output=True, text=True)
    wall, user, system, kilobytes = timed.stderr.split()[-4:]
    return float(wall), float(user) + float(system), int(kilobytes) / 1000, timed.stdout.strip().splitlines()[-1]


def compare(title, rivals, wanted, rounds):
    figures = {name: [] for name, _ in rivals}
    for _ in range(rounds):
        for name, command in rivals:
            wall, cpu, megabytes, said = run(command)
            if name == "rosterd":
                told = json.loads(said)
                assert told["rows"] == wanted and told["refused"] == 0, told
            figures[name].append((wall, cpu, megabytes))
    print(f"\n{title}, medians of {rounds}")
    print(f"| {'reader':34} | wall s | ratio | CPU s | ratio | peak MB |\n| --- | --- | --- | --- | --- | --- |")
    medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in figures.items()}
    ours = medians["rosterd"]
    for name, (wall, cpu, megabytes) in medians.items():
        print(f"| {name:34} | {wall:.2f} | {wall / ours[0]:.2f} | {cpu:.2f} | {cpu / ours[1]:.2f} | {megabytes:.0f} |")


def main():
    numbers = [int(argument) for argument in sys.argv[1:]]
    csv_rows, xlsx_rows, rounds = numbers + [1_000_000, 100_000, 5][len(numbers):]
    python = lambda code, path: [sys.executable, "-c", code, path]
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        path = os.path.join(folder, "employees.csv")
        write_csv(path, csv_rows)
        compare(
            f"CSV, {csv_rows} x 30, {os.path.getsize(path) / 1e6:.0f} MB",
            [("rosterd", [OURS, path]), ("DuckDB, 2 threads", python(DUCKDB, path)), ("polars, 2 threads", python(POLARS, path))],
            csv_rows,
            rounds,
        )
        os.remove(path)
        path = os.path.join(folder, "employees.xlsx")
        write_xlsx(path, xlsx_rows)
        compare(
            f"XLSX, {xlsx_rows} x 30, {os.path.getsize(path) / 1e6:.0f} MB",
            [
                ("rosterd", [OURS, path]),
                ("calamine, streaming, reads only", [OURS, path, "calamine"]),
                ("python-calamine, reads only", python(PYTHON_CALAMINE, path)),
                ("polars.read_excel, reads only", python(POLARS_EXCEL, path)),
            ],
            xlsx_rows,
            rounds,
        )


if __name__ == "__main__":
    main()
