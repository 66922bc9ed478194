# SPDX-License-Identifier: BSD-3-Clause
"""`upon sim` and `upon replay` as one meets them: what is found is kept, what is kept is found again,
and what was asked for is done or refused. The second program has an assertion that fails."""
import os
import re
import subprocess
import sys
import tempfile
import unittest

UPON = os.path.abspath(sys.argv[1])
PLANTED = os.path.abspath(sys.argv[2])
ROOT = os.path.abspath(sys.argv[3])
FAILS = ["sim", "-q", "--stack", "beb", "--strategy", "timed", "--steps", "2000", "--seed", "1"]
VIOLATED = ["sim", "-q", "--stack", "urb_all_ack", "--lies", "5", "--seeds", "1..200"]


class Sim(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def upon(self, *args, status=0, program=UPON):
        got = subprocess.run([program, *args], capture_output=True, text=True, timeout=200,
                             cwd=self.folder.name, check=False)
        self.assertEqual(got.returncode, status, (args, got.stdout, got.stderr))
        return got

    def refused(self, *args):
        got = self.upon(*args, status=2)
        said = [line for line in got.stderr.splitlines() if line.startswith("upon ")]
        self.assertEqual(len(said), 1, (args, got.stderr))
        return said[0]

    def replay_file(self):
        """A file of a violated property."""
        got = self.upon(*VIOLATED, status=1)
        return re.search(r"again: upon replay (\S+[0-9]\.replay)", got.stdout).group(1)


class Assertions(Sim):
    def test_one_that_fails_is_kept_where_no_folder_was_and_replayed(self):
        for out in ([], ["-o", "new"]):
            got = self.upon(*FAILS, *out, status=1, program=PLANTED)
            name = re.search(r"again: upon replay (\S+)", got.stderr).group(1)
            self.assertTrue(os.path.exists(self.path(name)))
            at = re.search(r"stopped at an assertion .*", got.stderr).group(0)
            again = self.upon("replay", name, status=1, program=PLANTED)
            self.assertIn(at, again.stderr)
            self.assertNotIn("not the execution", again.stderr)
            self.assertIn("⟨", again.stdout)

    def test_its_choices_can_be_drawn_and_not_shrunk(self):
        self.upon(*FAILS, status=1, program=PLANTED)
        name = "runs/beb-1.replay"
        self.upon("replay", name, "--diagram", "x.svg", status=1, program=PLANTED)
        self.assertGreater(os.path.getsize(self.path("x.svg")), 1000)
        got = self.upon("replay", name, "--shrink", status=2, program=PLANTED)
        self.assertIn("ends at an assertion", got.stderr)

    def test_one_that_does_not_fail_any_more_is_said_to_be_another_execution(self):
        self.upon(*FAILS, status=1, program=PLANTED)
        self.assertIn("not the execution", self.refused("replay", "runs/beb-1.replay"))

    def test_a_folder_that_cannot_be_is_said(self):
        with open(self.path("file"), "w", encoding="utf-8"):
            pass
        got = self.upon(*FAILS, "-o", "file", status=2, program=PLANTED)
        self.assertIn("replay files cannot be written", got.stderr)


class Replays(Sim):
    def with_header(self, name, *fields):
        """The same file with other values in its header."""
        with open(self.path(name), encoding="utf-8") as f:
            text = f.read()
        for field, value in fields:
            text = re.sub(rf"^{field} .*", f"{field} {value}", text, count=1, flags=re.MULTILINE)
        with open(self.path("altered"), "w", encoding="utf-8") as f:
            f.write(text)
        return "altered"

    def test_what_is_kept_is_found_again(self):
        name = self.replay_file()
        got = self.upon("replay", name, status=1)
        self.assertIn("violated", got.stdout)

    def test_another_property_trace_or_number_of_choices_is_another_execution(self):
        name = self.replay_file()
        for field in (("property", "XX9"), ("choices", "3"), ("trace", "0123456789abcdef")):
            self.assertIn("this is not the execution that was recorded",
                          self.refused("replay", self.with_header(name, field)))

    def test_of_another_revision_it_is_only_said(self):
        name = self.with_header(self.replay_file(), ("revision", "other"), ("choices", "3"))
        self.assertIn("--any-revision", self.refused("replay", name))
        got = self.upon("replay", name, "--any-revision", status=1)
        self.assertIn("this is not the execution that was recorded", got.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
