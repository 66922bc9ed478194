#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Every algorithm says what it is, is in the table of modules, and has a unit test of its name.

An algorithm is a file of protocols/ that ends in a class; it is named <abstraction>_<algorithm>.c.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
FIELDS = ("Abstraction", "Algorithm", "Uses", "Properties", "Model", "Space", "Differs")


def complaints(path, text, classes):
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
    if f'.name = "{name}"' not in text:
        yield f"no class is named after the file, \"{name}\""
    if not (ROOT / "tests" / "unit" / f"test_{name}.c").exists():
        yield f"there is no tests/unit/test_{name}.c"


def main():
    stacks = (ROOT / "protocols" / "stacks.c").read_text(encoding="utf-8")
    table = re.search(r"co_classes\[\] = \{(.*?)\};", stacks, flags=re.S)
    classes = set(re.findall(r"&(\w+)", table.group(1)))
    bad = files = 0
    for path in sorted((ROOT / "protocols").rglob("*.c")):
        text = path.read_text(encoding="utf-8")
        if not re.search(r"^const struct co_class \w+ = ", text, flags=re.M):
            continue
        files += 1
        for what in complaints(path, text, classes):
            print(f"{path.relative_to(ROOT)}: {what}", file=sys.stderr)
            bad += 1
    if files == 0:
        sys.exit(f"{ROOT}: no algorithm in protocols/")
    sys.exit(1 if bad else 0)


main()
