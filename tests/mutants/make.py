#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Make mutants: copies of algorithms with a small planted edit.

    make.py ROOT list FILE ...          one line for each mutant: name, source, file
    make.py ROOT source NAME OUT FILE   the mutated source
    make.py ROOT table OUT FILE ...     the table of mutants, for the runner

A FILE (*.mutants) holds blocks, separated by lines of dashes:

    mutant   <name>                      unique
    file     <source>                    from the root of the tree
    inline   <header>                    optional: edit this header too, in the copy only
    with     <source>                    optional: edit this source too, in the copy only
    class    <class>                     what the copy defines instead of the original
    stack    <stack> ...                 in which it stands for the original
    oracle   log                         instead of class and stack: the file is one of the log's,
                                         and judged by the recovery oracle
    breaks   <property> | nothing        what its checker must report
    also     <property> ...              optional: what may be reported besides, as a consequence
    seeds    <count>                     found within so many seeds; harmless: silent over so many
    ops      <count>                     optional: requests of each process
    instances <count>                    optional: rows of tables of instances
    bug      <one sentence>
    -        <lines as they are>         each edit: lines that occur once, white space aside,
    +        <lines instead>             and what replaces them; an empty line between two edits
"""
import pathlib
import re
import sys

KEYS = ("mutant", "file", "inline", "with", "class", "stack", "oracle", "breaks", "also", "seeds", "ops",
        "instances", "bug")
NEEDED = ("mutant", "file", "class", "stack", "breaks", "seeds", "bug")
RENAMED = {"class": "cls", "with": "added"}  # words of Python
LOG = ("dataplane/log.c", "dataplane/log_recover.c")  # what the oracle of a log is linked with


class Mutant:
    def __init__(self, where):
        self.where = where
        self.edits = []  # of (old lines, new lines)
        self.__dict__.update({RENAMED.get(k, k): "" for k in KEYS})


class Stale(Exception):
    """The source has moved on."""


def fail(mutant, what):
    sys.exit(f"{mutant.where}: mutant {mutant.mutant}: {what}")


def parse(path):
    mutant, state = None, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() + ["----"], 1):
        if line.startswith("----"):
            if mutant is not None:
                if mutant.oracle:
                    mutant.cls, mutant.stack = "log", "(log)"
                for key in NEEDED:
                    if not getattr(mutant, RENAMED.get(key, key)):
                        fail(mutant, f"has no '{key}'")
                yield mutant
            mutant, state = None, ""
        elif not line.strip():
            state = ""
        elif line.startswith("#"):
            continue
        elif line[0] in "+-":
            if line[0] == "-" and state != "-":
                mutant.edits.append(([], []))
            mutant.edits[-1][line[0] == "+"].append(line[1:].strip())
            state = line[0]
        else:
            key, _, value = line.partition(" ")
            if key not in KEYS:
                sys.exit(f"{path}:{number}: '{key}' is none of {', '.join(KEYS)}")
            mutant = mutant or Mutant(f"{path.name}:{number}")
            setattr(mutant, RENAMED.get(key, key), value.strip())


def mutants(paths):
    found, names = [], set()
    for path in map(pathlib.Path, paths):
        for mutant in parse(path):
            if mutant.mutant in names:
                fail(mutant, "has the name of another one")
            names.add(mutant.mutant)
            mutant.origin = path
            found.append(mutant)
    return found


def apply(mutant, lines):
    stripped = [line.strip() for line in lines]
    for old, new in mutant.edits:
        at = [i for i in range(len(lines)) if stripped[i:i + len(old)] == old]
        if len(at) != 1:
            raise Stale(f"its lines '{old[0]} …' occur {len(at)} times in {mutant.file}, not once: "
                        "the source has moved on; write the edit anew")
        lines[at[0]:at[0] + len(old)] = new
        stripped[at[0]:at[0] + len(old)] = new
    return lines


def source(root, mutant):
    text = (root / mutant.file).read_text(encoding="utf-8")
    if mutant.inline:
        name = mutant.inline.rpartition("/")[2]
        include = re.compile(rf'^#include "(?:[\w/]*/)?{re.escape(name)}"$', flags=re.M)
        if len(include.findall(text)) != 1:
            fail(mutant, f"{mutant.file} does not include {name}")
        header = (root / mutant.inline).read_text(encoding="utf-8")
        text = include.sub(lambda _: header, text)
    if mutant.added:
        text += (root / mutant.added).read_text(encoding="utf-8")
    if not re.search(rf"^const struct co_class {mutant.cls}_class = ", text, flags=re.M):
        fail(mutant, f"{mutant.file} defines no class {mutant.cls}")
    others = set(re.findall(r"^const struct co_class (\w+)_class = ", text, flags=re.M))
    others.discard(mutant.cls)
    lines = apply(mutant, text.splitlines())
    return (f"/* {mutant.file} with a planted edit: {mutant.bug} */\n"
            f"#define {mutant.cls}_class mutant_{mutant.mutant}_class\n" +
            "".join(f"#define {o}_class mutant_{mutant.mutant}_{o}_class\n"
                    for o in sorted(others)) +
            "".join(f"#define {n} mutant_{mutant.mutant}_{n}\n" for n in functions(text)) + "\n".join(lines) + "\n")


def functions(text):
    """The names of the functions that a source defines for others."""
    return sorted(set(re.findall(r"^(?!static|typedef|#)\w[\w \*]*?\b(\w+)\((?=[^;{]*?\)\n\{)", text,
                                 flags=re.M)))


def log_source(root, mutant):
    """All of the log and its oracle in one file, its functions under names of their own."""
    text = "\n".join((root / f).read_text(encoding="utf-8") for f in LOG)
    text = re.sub(r'^#include "([\w]+\.h)"', r'#include "dataplane/\1"', text, flags=re.M)
    lines = apply(mutant, text.splitlines())
    return (f"/* {', '.join(LOG)} with a planted edit: {mutant.bug} */\n" +
            "".join(f"#define {n} mutant_{mutant.mutant}_{n}\n" for n in functions(text)) +
            "\n".join(lines) + '\n#include "oracle_log.h"\n#include "mutants.h"\n'
            f"extern const struct log_mutant mutant_{mutant.mutant}_log;\n"
            f"const struct log_mutant mutant_{mutant.mutant}_log = {{oracle_run, NULL}};\n")


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def table(found):
    out = ['#include "mutants.h"\n']
    out += [f"extern const struct log_mutant mutant_{m.mutant}_log;" if m.oracle else
            f"extern const struct co_class mutant_{m.mutant}_class;" for m in found]
    out += ["\nconst struct mutant mutants[] = {"]
    for m in found:
        harmless = m.breaks == "nothing"
        for stack in m.stack.split():
            made = (f"NULL, &mutant_{m.mutant}_log" if m.oracle else
                    f"&mutant_{m.mutant}_class, NULL")
            out.append(f"    {{{quoted(m.mutant)}, {quoted(m.file)}, {made}, "
                       f"{quoted(m.cls)}, {quoted(stack)}, {quoted('' if harmless else m.breaks)}, "
                       f"{quoted(m.also)}, {int(m.seeds)}, {int(m.ops or 0)}, {int(m.instances or 0)}, {quoted(m.bug)}}},")
    out += ["    {0},", "};"]
    return "\n".join(out) + "\n"


def main():
    root = pathlib.Path(sys.argv[1])
    if sys.argv[2] == "list":
        for m in mutants(sys.argv[3:]):
            print(m.mutant, m.file, m.origin.name, m.added or m.file)
    elif sys.argv[2] == "source":
        mutant = next(m for m in mutants(sys.argv[5:]) if m.mutant == sys.argv[3])
        try:
            text = (log_source if mutant.oracle else source)(root, mutant)
        except Stale as why:  # whoever changes a source can build; the test says what is stale
            text = ('#include "mutants.h"\n'
                    f"extern const struct log_mutant mutant_{mutant.mutant}_log;\n"
                    f"const struct log_mutant mutant_{mutant.mutant}_log = "
                    f"{{NULL, {quoted(str(why))}}};\n") if mutant.oracle else ('#include "protocols/co.h"\n'
                    f"extern const struct co_class mutant_{mutant.mutant}_class;\n"
                    f"const struct co_class mutant_{mutant.mutant}_class = "
                    f"{{.title = {quoted(str(why))}}};\n")
        pathlib.Path(sys.argv[4]).write_text(text, encoding="utf-8")
    else:
        pathlib.Path(sys.argv[3]).write_text(table(mutants(sys.argv[4:])), encoding="utf-8")


main()
