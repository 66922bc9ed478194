#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every algorithm says what it is, is in the table of modules, and has a unit test of its name, with a test named
after each of its properties.

An algorithm is a file of protocols/ that ends in a class; it is named <abstraction>_<algorithm>.c.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
FIELDS = ("Abstraction", "Algorithm", "Uses", "Properties", "Model", "Space", "Differs")


def properties_of(path, text, name, abstraction, table):
    """What the header of the file claims; of a class that shares the file, what its abstraction has."""
    if name != path.stem:
        return table[abstraction]
    line = re.search(r"^ \* Properties (.*?)^ \*(?: \w|$)", text, flags=re.M | re.S)
    return re.findall(r"\b[A-Z]+\d\b", line.group(1)) if line else []


def tested(path, name):
    """Properties in the names of tests: test_PL1_PL2_…, "RB1_to_RB4_…"."""
    folder, codes = ROOT / "tests" / "unit", set()
    for test in {folder / f"test_{name}.c", folder / f"test_{path.stem}.c"}:
        text = test.read_text(encoding="utf-8") if test.exists() else ""
        for title in re.findall(r"unit_test\(\s*test_(\w+)\)|CASE\(\"(\w+)\"", text):
            title = "".join(title)
            codes.update(re.findall(r"[A-Z]+\d", title))
            for prefix, first, last in re.findall(r"([A-Z]+)(\d)_to_[A-Z]+(\d)", title):
                codes.update(f"{prefix}{k}" for k in range(int(first), int(last) + 1))
    return codes


def complaints(path, text, classes, table):
    name = path.stem
    header = re.search(r"/\*(?! SPDX)(.*?)\*/", text, flags=re.S)
    at = -1
    for field in FIELDS:
        found = re.search(rf"^ \* {field}  *\S", header.group(1) if header else "", flags=re.M)
        if not found:
            yield f"the header comment has no line that begins with '{field}'"
        elif found.start() < at:
            yield f"'{field}' stands out of order: {', '.join(FIELDS)}"
        else:
            at = found.start()
    for symbol, in_text in re.findall(
            r'^const struct co_class (\w+) = \{\s*\.name = "([^"]+)"', text, flags=re.M):
        if symbol != in_text + "_class":
            yield f"class {symbol} is named \"{in_text}\""
        if symbol not in classes:
            yield f"{symbol} is not in co_classes (protocols/stacks.c)"
    for of, abstraction in re.findall(r'\.name = "(\w+)",.*?\.implements = ABS_(\w+)', text, flags=re.S):
        for code in properties_of(path, text, of, abstraction, table):
            if code not in tested(path, of):
                yield f"no test of tests/unit/test_{of}.c is named after {code}"
    if f'.name = "{name}"' not in text:
        yield f"no class is named after the file, \"{name}\""
    if not (ROOT / "tests" / "unit" / f"test_{name}.c").exists():
        yield f"there is no tests/unit/test_{name}.c"


def main():
    stacks = (ROOT / "protocols" / "stacks.c").read_text(encoding="utf-8")
    table = re.search(r"co_classes\[\] = \{(.*?)\};", stacks, flags=re.S)
    classes = set(re.findall(r"&(\w+)", table.group(1)))
    properties = {}
    modules = (ROOT / "protocols" / "modules.def").read_text(encoding="utf-8")
    for abstraction, code in re.findall(r'^PROPERTY\((\w+), "(\w+)"', modules, flags=re.M):
        properties.setdefault(abstraction, []).append(code)
    bad = files = 0
    for path in sorted((ROOT / "protocols").rglob("*.c")):
        text = path.read_text(encoding="utf-8")
        if not re.search(r"^const struct co_class \w+ = ", text, flags=re.M):
            continue
        files += 1
        for what in complaints(path, text, classes, properties):
            print(f"{path.relative_to(ROOT)}: {what}", file=sys.stderr)
            bad += 1
    if files == 0:
        sys.exit(f"{ROOT}: no algorithm in protocols/")
    sys.exit(1 if bad else 0)


main()
