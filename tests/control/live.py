# SPDX-License-Identifier: BSD-3-Clause
"""A run that a case looks at, and ends when it has seen what it waits for: progress, not time."""
import json
import os
import signal
import subprocess
import time


class Job:
    """A run that does not end by itself, under way. args: what stands before --set; prefix: before
    the program."""

    def __init__(self, case, upon, sets, *args, prefix=()):
        self.case, self.upon = case, upon
        # Where runs are found by name: none but those of this case.
        self.env = {**os.environ, "XDG_RUNTIME_DIR": os.path.abspath(case.folder.name)}
        command = [*prefix, upon, "run", "--json", "--out", "run", *args]
        for s in sets:
            command += ["--set", s]
        self.child = subprocess.Popen(command, cwd=case.folder.name, stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, env=self.env)
        case.addCleanup(self.child.stderr.close)
        case.addCleanup(self.child.stdout.close)
        case.addCleanup(self.child.wait)
        case.addCleanup(self.child.kill)

    def ctl(self, *words):
        return subprocess.run([self.upon, "ctl", "run", *words], cwd=self.case.folder.name,
                              capture_output=True, text=True, timeout=60, check=False,
                              env=self.env)

    def must(self, *words):
        got = self.ctl(*words)
        self.case.assertEqual(got.returncode, 0, got.stderr)

    def stats(self):
        """What the run tells of itself; None: it cannot be asked yet."""
        got = self.ctl("--json", "stats")
        return json.loads(got.stdout) if got.returncode == 0 else None

    def wait(self, seen):
        """Until `seen` of the run's stats is true. The bound is no measure of anything."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            self.case.assertIsNone(self.child.poll(), "the run ended by itself")
            now = self.stats()
            if now is not None and seen(now):
                return
            time.sleep(0.05)
        self.case.fail("what is waited for does not come")

    def progress(self, more, who=None):
        """Until everybody, or everybody of `who`, has delivered so many more."""
        first = []

        def seen(stats):
            least = min(p["delivered"] for rank, p in enumerate(stats["processes"])
                        if who is None or rank in who)
            first.append(least)
            return least >= first[0] + more
        self.wait(seen)

    def trusted(self, leader, by):
        """Until each of `by` trusts `leader`."""
        self.wait(lambda stats: all(stats["figures"]["process"][p]["trusts"] == leader
                                    for p in by))

    def nodes(self):
        """OS process by the ranks that it runs."""
        found = {}
        task = f"/proc/{self.child.pid}/task/{self.child.pid}/children"
        with open(task, encoding="utf-8") as f:
            for pid in f.read().split():
                try:
                    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as c:
                        words = c.read().split("\0")
                except OSError:
                    continue
                if "--rank" in words:
                    found[words[words.index("--rank") + 1]] = int(pid)
        return found

    def node(self, fits=lambda ranks: True):
        """The ranks and the OS process of a node, the smallest whose ranks are such. In /proc there may
        be none for a moment."""
        found = []

        def seen(_):
            found[:] = [n for n in self.nodes().items() if fits(n[0].split(","))]
            return bool(found)
        self.wait(seen)
        return min(found, key=lambda n: len(n[0]))

    def end(self):
        self.child.send_signal(signal.SIGINT)
        out, err = self.child.communicate(timeout=180)
        self.case.assertIn(self.child.returncode, (0, 1, 2), err)
        summary = json.loads(out)
        self.case.assertEqual(summary["verdict"], "valid", (summary["why"], err))
        return summary
