# SPDX-License-Identifier: BSD-3-Clause
"""Runs over logs: processes that crash and recover, by order and by SIGKILL, and what they had
acknowledged found again. No case depends on the speed of the machine: what is waited for is
progress, not time. With a number as last argument it kills so many times, and prints a table."""
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from live import Job

UPON = os.path.abspath(sys.argv[1])
EARLY = os.path.abspath(sys.argv[2])  # with a log that acknowledges before it has flushed
KILLS = int(sys.argv[3]) if len(sys.argv) > 3 else 0
PATIENT = ["job.drain=60s", "params.give_up=never", "params.detect=1s"]
ENDLESS = PATIENT + ["job.duration=1h", "job.warmup=50ms", "load.rate=1k", "log.size=16MiB"]
SHORT = PATIENT + ["job.duration=300ms", "job.warmup=50ms", "load.rate=1k", "log.size=4MiB"]


def sets_of(sets):
    return [word for s in sets for word in ("--set", s)]


class Lives(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=".")
        self.addCleanup(self.folder.cleanup)

    def upon(self, *args, sets=()):
        return subprocess.run([UPON, *args, *sets_of(sets)], capture_output=True, text=True,
                              timeout=180, cwd=self.folder.name, check=False)

    def run_json(self, sets, status=0):
        got = self.upon("run", "--json", "--out", "run", sets=sets)
        self.assertEqual(got.returncode, status, got.stderr + got.stdout)
        return json.loads(got.stdout)

    def found(self, summary, lives):
        audit = summary["disk"]["audit"]
        self.assertGreaterEqual(audit["lives"], lives)
        self.assertGreater(audit["acknowledged"], 0)
        self.assertEqual((audit["lost"], audit["doubled"], audit["found"] + audit["released"]),
                         (0, 0, audit["acknowledged"]))
        return audit

    def test_every_stack_over_a_log_runs_and_reports_its_disk(self):
        for stack in ("lpl", "lbeb", "lurb", "luc", "handover_cursor", "handover_redeliver"):
            with self.subTest(stack):
                summary = self.run_json(SHORT + ["job.stack=" + stack])
                self.assertEqual(summary["verdict"], "valid", summary["why"])
                self.assertGreater(summary["disk"]["records"], 0)
                self.assertGreater(summary["disk"]["store_ns"]["count"], 0)
                self.assertGreaterEqual(summary["disk"]["records_per_flush"], 1)
                self.assertEqual(summary["leaked_packets"], 0)
                self.found(summary, 3)
                self.assertFalse(os.path.exists(os.path.join(self.folder.name, "run", "log")))

    def crash_and_recover(self, stack, times):
        job = Job(self, UPON, ENDLESS + ["job.stack=" + stack])
        rng = random.Random(7)
        job.progress(50)
        for _ in range(times):
            p = str(rng.randrange(3))
            job.must("crash", p)
            time.sleep(rng.random() * 0.05)
            job.must("recover", p)
            job.progress(20)
        summary = job.end()
        self.assertEqual(summary["leaked_packets"], 0)
        self.found(summary, 3 + times)

    def test_LURB_what_was_acknowledged_survives_crashes(self):
        self.crash_and_recover("lurb", 6)

    def test_LUC_what_was_decided_survives_crashes(self):
        self.crash_and_recover("luc", 4)

    def test_HO_each_is_handed_over_through_crashes(self):
        self.crash_and_recover("handover_cursor", 3)

    def test_all_crash_at_once_and_go_on(self):
        job = Job(self, UPON, ENDLESS + ["job.stack=lurb"])
        job.progress(50)
        for p in "012":
            job.must("crash", p)
        for p in "210":
            job.must("recover", p)
        job.progress(20)
        self.found(job.end(), 6)

    def test_who_has_no_log_or_has_not_crashed_is_refused(self):
        job = Job(self, UPON, [s for s in ENDLESS if "log" not in s] + ["job.stack=urb"])
        job.progress(20)
        got = job.ctl("recover", "1")
        self.assertEqual(got.returncode, 2, got.stderr)
        self.assertIn("has not crashed", got.stderr)
        job.must("crash", "2")
        got = job.ctl("recover", "2")
        self.assertEqual(got.returncode, 2, got.stderr)
        self.assertIn("stack urb keeps nothing in a log", got.stderr)
        job.child.kill()

    def test_a_second_life_is_traced_and_judged(self):
        for stack, borders, judge in (
                ("handover_cursor", ("⟨ho, Deliver", "⟨lurb, Deliver"), "digest"),
                ("luc", ("⟨luc, Decide", "⟨lep, Decide"), "checker")):
            with self.subTest(stack):
                job = Job(self, UPON, ENDLESS + ["job.stack=" + stack, "job.record=full",
                                                 "load.rate=100"])
                job.progress(20)
                job.must("crash", "1")
                job.must("recover", "1")
                job.must("trace", "on", "1")
                job.progress(20)
                job.must("trace", "off", "1")
                summary = job.end()
                path = os.path.join(self.folder.name, "run", "trace-p1.txt")
                with open(path, encoding="utf-8") as f:
                    text = f.read()
                for border in borders:
                    self.assertIn(border, text)
                self.assertEqual({j["judged_by"] for j in summary["judgements"] if j["counts"]},
                                 {judge})
                os.rename(os.path.join(self.folder.name, "run"),
                          os.path.join(self.folder.name, stack))

    def sigkill(self, stack, hold, kills, seed=1):
        # Enough for all that waits for a source that is down: luc keeps a quarter of them for it.
        rows = ["params.instances=16384"] if stack == "luc" else []
        job = Job(self, UPON, ENDLESS + rows + ["job.stack=" + stack, "job.device=memif",
                                          "load.rate=500", "log.hold=" + hold,
                                   f"log.size={64 if KILLS > 0 else 16}MiB", "job.record=full",
                                   f"job.restart={4 * kills + 8}"])
        rng = random.Random(seed)
        job.progress(20)
        done = 0
        while done < kills:
            nodes = job.nodes()
            try:
                os.kill(nodes[rng.choice(sorted(nodes))], signal.SIGKILL)
                done += 1
            except (ProcessLookupError, IndexError):
                pass
            if rng.random() < 0.7: # or again at once, while it starts
                job.progress(10)
            time.sleep(rng.random() * 0.3)
        job.progress(10)
        summary = job.end() # which is to be valid
        # Judged by what all lives recorded, not the last alone.
        self.assertEqual({j["judged_by"] for j in summary["judgements"] if j["counts"]},
                         {"checker"})
        return summary

    def test_every_acknowledged_operation_is_found_again_after_SIGKILL(self):
        # With log.hold what was not flushed is missing: no kernel writes it for who is gone.
        for stack, hold in (("lurb", "0s"), ("luc", "0s"), ("lurb", "20ms"), ("luc", "20ms")):
            with self.subTest(stack, hold=hold):
                kills = KILLS if KILLS > 0 else 3
                start = time.monotonic()
                audit = self.found(self.sigkill(stack, hold, kills), 3)
                if KILLS > 0:
                    print(f"{stack}, held {hold}: {kills} SIGKILLs in {time.monotonic() - start:.0f} s, "
                          f"{audit['lives']} lives; {audit['acknowledged']} acknowledged "
                          f"operations, {audit['found']} found in {audit['logs']} logs, "
                          f"{audit['lost']} lost")
                os.rename(os.path.join(self.folder.name, "run"),
                          os.path.join(self.folder.name, stack + hold))

    def killed_for_good(self, upon, hold):
        """The summary of a run whose source was killed. Nothing can heal what it lost."""
        job = Job(self, upon, ENDLESS + ["job.stack=lurb", "job.device=memif", "log.hold=" + hold,
                                         "job.tolerate_crash=yes", "job.drain=1s", "log.keep=yes"])
        job.progress(50)
        os.kill(job.node(lambda ranks: "0" in ranks)[1], signal.SIGKILL)
        job.wait(lambda stats: stats["processes"][0]["state"] == "gone")
        job.child.send_signal(signal.SIGINT)
        summary = json.loads(job.child.communicate(timeout=180)[0])
        os.rename(os.path.join(self.folder.name, "run"),
                  os.path.join(self.folder.name, os.path.basename(upon)))
        return summary

    def test_what_was_acknowledged_and_not_flushed_is_missing_after_SIGKILL(self):
        audit = self.killed_for_good(UPON, "500ms")["disk"]["audit"]
        self.assertEqual((audit["lost"], audit["found"]), (0, audit["acknowledged"]))
        summary = self.killed_for_good(EARLY, "500ms")
        self.assertGreater(summary["disk"]["audit"]["lost"], 0)
        self.assertEqual(summary["verdict"], "invalid")
        self.assertIn("its log does not hold it", str(summary["why"]))

    def killed(self, job, fits):
        """Kill a node whose ranks are such, and wait for the next one."""
        ranks, before = job.node(fits)
        os.kill(before, signal.SIGKILL)
        job.wait(lambda stats: job.nodes().get(ranks, before) != before)

    def test_who_had_crashed_by_order_stays_down_when_its_node_is_started_again(self):
        job = Job(self, UPON, ENDLESS + ["job.stack=lurb", "job.device=memif", "load.rate=100",
                                         "job.restart=1"])
        job.progress(10)
        job.must("crash", "1")
        self.killed(job, lambda ranks: "1" in ranks)
        job.must("recover", "1")
        job.progress(10)
        self.found(job.end(), 4)

    def test_a_source_whose_requests_are_not_stored_is_not_started_again(self):
        job = Job(self, UPON, ENDLESS + ["job.stack=lpl", "job.device=memif", "load.rate=100",
                                         "job.restart=2"])
        job.progress(10, who=(1,))
        self.killed(job, lambda ranks: "0" not in ranks)  # it issues nothing
        job.progress(10, who=(1,))
        os.kill(job.node(lambda ranks: "0" in ranks)[1], signal.SIGKILL)
        out, err = job.child.communicate(timeout=180)
        summary = json.loads(out)
        self.assertEqual((job.child.returncode, summary["verdict"]), (2, "unknown"), err)
        self.assertIn("p0 cannot recover: lpl does not store", str(summary["why"]))

    def test_logs_with_which_the_audit_is_not_content_are_left(self):
        job = Job(self, UPON, ENDLESS + ["job.stack=lurb"])
        job.progress(200)
        logs = os.path.join(self.folder.name, "run", "log")
        with open(os.path.join(logs, "p1", "seg-0000"), "r+b") as f:
            f.seek(4096 + 700)
            f.write(b"x")
        job.child.send_signal(signal.SIGINT)
        out, err = job.child.communicate(timeout=180)
        self.assertEqual(job.child.returncode, 1, err)
        why = str(json.loads(out)["why"])
        self.assertIn("the log of p1: ", why)
        self.assertIn("the logs are left in ", why)
        self.assertEqual(sorted(os.listdir(logs)), ["p0", "p1", "p2"])
        self.assertEqual(self.upon("log", "verify", os.path.join("run", "log", "p1")).returncode, 1)

    def test_a_planted_repetition_is_found(self):
        summary = self.run_json(SHORT + ["job.stack=lurb", "load.plant=repeat"], status=1)
        self.assertEqual(summary["properties"]["LURB2"], "violated")

    def test_logs_are_kept_where_asked_and_not_taken_for_new_ones(self):
        sets = SHORT + ["job.stack=lurb", "log.dir=kept", "log.keep=yes"]
        self.run_json(sets)
        got = self.upon("log", "verify", "kept/p1")
        self.assertEqual(got.returncode, 0, got.stderr)
        got = self.upon("run", sets=sets)
        self.assertEqual(got.returncode, 2)
        self.assertIn("there is a log already", got.stderr)
        self.assertEqual(sorted(os.listdir(os.path.join(self.folder.name, "kept"))),
                         ["ledger", "p0", "p1", "p2"])

    def test_what_cannot_be_stored_says_one_sentence(self):
        for sets, words in ((["job.stack=lurb", "log.dir=/nonesuch/x"], "cannot be made"),
                            (["job.stack=uc", "log.dir=x"], "keeps nothing in a log"),
                            (["job.stack=lurb", "log.size=1MiB"], "a log has 4MiB"),
                            (["job.stack=luc", "log.size=4MiB", "job.size=1200B"],
                             "write 26MiB or more"),
                            (["job.stack=lurb", "job.restart=3"], "one OS process"),
                            (["job.stack=urb", "job.restart=3", "job.device=memif"],
                             "recover from"),
                            (["job.stack=lpl", "job.restart=3", "job.device=memif",
                              "job.proposer=all"], "does not store what a source requests"),
                            (["job.stack=lurb", "job.restart=3", "job.device=memif",
                              "job.duration=1h", "load.rate=100k"],
                             "360050000 operations are more than the 5592405")):
            got = self.upon("run", sets=sets)
            self.assertEqual(got.returncode, 2, words)
            self.assertIn(words, got.stderr)
            self.assertEqual(got.stderr.count("\n"), 1, got.stderr)


if __name__ == "__main__":
    names = ["Lives.test_every_acknowledged_operation_is_found_again_after_SIGKILL"]
    unittest.main(argv=[sys.argv[0], "-v"] + (names if KILLS > 0 else []), verbosity=2)
