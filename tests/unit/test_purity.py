#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Protocols are pure: no clock, no chance, no heap, no input or output, no DPDK.

A line of protocols/ can be read without knowing that DPDK exists, and the same object code runs
under the simulator's adversary: both hold only as long as nothing in there reaches past the
environment. Checkers (protocols/checks/) are observers and may allocate.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")

SYSTEM_HEADERS = {
    "assert.h", "errno.h", "inttypes.h", "limits.h", "stdarg.h", "stdbool.h", "stddef.h",
    "stdint.h", "stdio.h", "string.h", "xxhash.h",
}
DATAPLANE_HEADERS = {
    "dataplane/" + h for h in ("counters.h", "env.h", "frame.h", "limits.h", "log.h", "pkt.h", "refuse.h", "timer.h")
}
FORBIDDEN_CALLS = {
    "heap": "malloc calloc realloc reallocarray free aligned_alloc posix_memalign alloca strdup "
            "strndup asprintf vasprintf mmap munmap",
    "clock": "time clock clock_gettime gettimeofday nanosleep clock_nanosleep usleep sleep "
             "localtime gmtime strftime",
    "chance": "rand rand_r srand random srandom random_r drand48 lrand48 getrandom getentropy",
    "output": "printf fprintf vprintf vfprintf dprintf puts fputs putchar fputc perror fwrite "
              "fopen fclose fread fgets write pwrite writev read pread readv syslog",
    "sockets": "socket sendto recvfrom sendmsg recvmsg setsockopt getsockopt poll select "
               "epoll_wait",
    "threads": "pthread_create pthread_mutex_lock pthread_self sched_yield fork",
    "end of the process": "exit _exit abort",
}
CALL_KIND = {name: kind for kind, names in FORBIDDEN_CALLS.items() for name in names.split()}
RTE_ALLOWED = {"rte_panic"}  # the sentence that ends a process on a bug of our own


def code_of(text):
    """The source without comments, strings and character constants; lines keep their numbers."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', blank, text,
                  flags=re.S)


def complaints(path):
    text = path.read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines(), 1):
        include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if not include:
            continue
        name = include.group(2)
        if include.group(1) == "<" and name not in SYSTEM_HEADERS:
            yield number, f"includes <{name}>"
        if name.startswith("dataplane/") and name not in DATAPLANE_HEADERS:
            yield number, f"includes {name}: only {', '.join(sorted(DATAPLANE_HEADERS))}"
        if name.startswith("control/"):
            yield number, f"includes {name}: dependencies point the other way"
    for number, line in enumerate(code_of(text).splitlines(), 1):
        for name in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
            if name in CALL_KIND:
                yield number, f"calls {name}(): {CALL_KIND[name]}"
            if name.startswith("rte_") and name not in RTE_ALLOWED:
                yield number, f"calls {name}(): wrap it in dataplane/pkt.h"


def main():
    bad = files = 0
    for path in sorted((ROOT / "protocols").rglob("*.[ch]")):
        if "checks" in path.relative_to(ROOT).parts:
            continue
        files += 1
        for number, what in complaints(path):
            print(f"{path.relative_to(ROOT)}:{number}: {what}", file=sys.stderr)
            bad += 1
    if files == 0:
        sys.exit(f"{ROOT}: no protocols/ here")
    sys.exit(1 if bad else 0)


main()
