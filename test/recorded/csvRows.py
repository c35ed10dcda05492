"""Writes csvRows.json: small CSV files, and what Python's csv module reads of them (null where it refuses the quotes)."""
import csv
import io
import json
import pathlib
import random

random.seed(20260108)
pieces = ['"', '"', '""', ",", "\n", "\r\n", "Oslo", "Monitor 24", "a", " ", "1", "41.50", "é"]
plain = ["Oslo,1", 'Monitor 24",5', 'a"b"c,2', '"x, y",3', '"say ""hi""",4', 'Lima,"66"', "", '5" disk 3" deep,-1', "Kiel,1,2"]


def text():
    lines = []
    for _ in range(random.randint(1, 6)):
        if random.random() < 0.5:
            lines.append(random.choice(plain))
        else:
            lines.append("".join(random.choice(pieces) for _ in range(random.randint(1, 8))))
    return "city,temperature\n" + random.choice(["\n", "\r\n"]).join(lines) + "\n"


def rows(text):
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return None


files = sorted({text() for _ in range(400)})
found = [{"text": text, "rows": rows(text)} for text in files]
lines = [json.dumps(one, ensure_ascii=False) for one in found]
pathlib.Path(__file__).with_name("csvRows.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
print(len(found), sum(one["rows"] is not None for one in found))
