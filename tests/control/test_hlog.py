# SPDX-License-Identifier: BSD-3-Clause
"""What test_hist exports, an independent decoder reads back, count by count."""
import subprocess
import sys
import tempfile

import hlog

with tempfile.TemporaryDirectory() as folder:
    path = folder + "/hist.hlog"
    said = subprocess.run([sys.argv[1], "export", path], check=True, capture_output=True, text=True)
    expected = {}
    for line in said.stdout.splitlines():
        tag, slot, count = line.split()
        expected.setdefault(tag, {})[int(slot)] = int(count)
    intervals = hlog.read_log(path)

assert set(intervals) == set(expected) == {"first", "second"}, intervals.keys()
for tag, (start, length, largest, header, counts) in intervals.items():
    assert counts == expected[tag], tag
    assert (start, length) == (0, 2.25)
    assert header == {"offset": 0, "digits": 3, "low": 1, "high": 2**40 - 1, "ratio": 1.0}, header
assert hlog.value_range(max(intervals["first"][4]), 3)[1] == 2**40 - 1
assert intervals["second"][4] == {42: 1}
assert hlog.value_range(42, 3) == (42, 42)
assert hlog.value_range(2048, 3) == (2048, 2049)
print("ok: %d and %d slots" % (len(expected["first"]), len(expected["second"])))
