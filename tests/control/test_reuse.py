# SPDX-License-Identifier: BSD-3-Clause
"""Runs over the logs of earlier runs: they go on, what was acknowledged is found again, and what
cannot be gone on with is refused. No case depends on the speed of the machine."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from live import Job

UPON = os.path.abspath(sys.argv[1])
COMMON = ["job.warmup=50ms", "job.drain=60s", "params.give_up=never", "params.detect=1s",
          "load.rate=500", "log.size=16MiB", "log.dir=logs", "log.reuse=yes"]
SHORT = COMMON + ["job.duration=200ms"]
ENDLESS = COMMON + ["job.duration=1h"]


class Reuse(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(dir=".")
        self.addCleanup(self.folder.cleanup)
        self.logs = os.path.join(self.folder.name, "logs")

    def upon(self, *args, sets=()):
        words = [word for s in sets for word in ("--set", s)]
        return subprocess.run([UPON, *args, *words], capture_output=True, text=True, timeout=180,
                              cwd=self.folder.name, check=False)

    def log(self, *args, status=0):
        got = self.upon("log", *args)
        self.assertEqual(got.returncode, status, got.stderr)
        return got

    def run_on(self, stack, run, *sets, status=0, restores=0):
        """A run that is the given one over its logs: its summary."""
        got = self.upon("run", "--json", "--out", "run", sets=[*SHORT, "job.stack=" + stack, *sets])
        self.assertEqual(got.returncode, status, got.stderr + got.stdout)
        summary = json.loads(got.stdout)
        disk = summary["disk"]
        self.assertEqual((disk["run"], disk["restores"]), (run, restores))
        if status == 0:
            self.found(summary)
        return summary

    def found(self, summary):
        """All is, and what earlier runs acknowledged is but a part of it."""
        disk, audit = summary["disk"], summary["disk"]["audit"]
        self.assertEqual(summary["verdict"], "valid", summary["why"])
        self.assertEqual((audit["lost"], audit["doubled"]), (0, 0))
        self.assertEqual(audit["found"] + audit["released"], audit["acknowledged"])
        self.assertGreater(audit["acknowledged"], disk["recovered"])
        self.assertEqual(summary["leaked_packets"], 0)

    def refused(self, words, *sets, stack="lurb"):
        got = self.upon("run", sets=[*SHORT, "job.stack=" + stack, *sets])
        self.assertEqual(got.returncode, 2, got.stdout)
        self.assertIn(words, got.stderr)
        self.assertEqual(got.stderr.count("\n"), 1, got.stderr)

    def killed(self, stack, *sets):
        """A run under way, of which every OS process is killed."""
        job = Job(self, UPON, [*ENDLESS, "job.stack=" + stack, *sets])
        job.progress(30)
        nodes = list(job.nodes().values())
        job.child.kill()
        job.child.wait()
        for pid in nodes:  # they go with their launcher
            while os.path.exists(f"/proc/{pid}"):
                try:
                    os.waitpid(pid, 0)
                except ChildProcessError:
                    pass

    # ---- going on ----------------------------------------------------------------------------

    def test_every_stack_over_a_log_goes_on(self):
        for stack in ("lpl", "lbeb", "lurb", "luc", "handover_cursor", "handover_redeliver"):
            with self.subTest(stack):
                told = 0
                for run in range(3):
                    summary = self.run_on(stack, run, "log.dir=" + stack)
                    audit = summary["disk"]["audit"]
                    self.assertEqual(summary["disk"]["recovered"], told)
                    told = audit["acknowledged"]
                    # Of this run alone: 500 in a second, for 200 ms.
                    self.assertLessEqual(summary["latency_ns"]["decide"]["count"], 101)
                    self.assertGreater(summary["latency_ns"]["deliver_all"]["count"], 0)

    def test_sources_device_and_rate_may_be_others(self):
        for stack in ("lurb", "luc"):
            with self.subTest(stack):
                where = "log.dir=" + stack
                self.run_on(stack, 0, where, "job.proposer=all")
                self.run_on(stack, 1, where, "job.proposer=2", "load.rate=2k")
                self.run_on(stack, 2, where, "job.device=memif", "load.arrival=poisson")
                self.run_on(stack, 3, where, "job.proposer=all", "job.device=memif")

    def test_a_log_that_was_compacted_goes_on(self):
        for stack in ("lurb", "luc"):
            with self.subTest(stack):
                sets = ["log.dir=" + stack, "log.size=4MiB", "job.size=1000B", "load.rate=5k",
                        "params.store_msgs=256", "params.instances=256"]
                run = compactions = 0
                while compactions == 0 or run < 2:
                    summary = self.run_on(stack, run, *sets)
                    compactions += summary["disk"]["compactions"]
                    run += 1
                summary = self.run_on(stack, run, *sets)
                self.assertGreater(summary["disk"]["audit"]["released"], 0)

    def test_a_bug_in_a_later_run_is_found(self):
        for plant in ("alter", "repeat", "lose"):
            shutil.rmtree(self.logs, ignore_errors=True)
            self.run_on("lurb", 0, "load.rate=100")
            summary = self.run_on("lurb", 1, "load.rate=1k", "load.plant=" + plant,
                                  "job.drain=1s", status=1)
            self.assertNotEqual(summary["verdict"], "valid")

    def test_a_crash_within_a_later_run(self):
        for stack in ("lurb", "luc"):
            with self.subTest(stack):
                where = "log.dir=" + stack
                self.run_on(stack, 0, where)
                job = Job(self, UPON, [*ENDLESS, "job.stack=" + stack, where])
                job.progress(20)
                for p in ("1", "0"):
                    job.must("crash", p)
                    job.must("recover", p)
                    job.progress(20)
                summary = job.end()
                self.found(summary)
                self.assertEqual((summary["disk"]["run"], summary["disk"]["audit"]["lives"]), (1, 5))
                self.run_on(stack, 2, where)

    # ---- after a SIGKILL of everything ----------------------------------------------------------

    def test_every_process_of_the_run_is_killed_and_the_next_run_goes_on(self):
        # With log.hold what was not flushed is missing, too.
        for stack in ("lurb", "luc", "handover_cursor"):
            for device, hold in (("ring", "0s"), ("ring", "20ms"), ("memif", "20ms")):
                with self.subTest(stack, device=device, hold=hold):
                    shutil.rmtree(self.logs, ignore_errors=True)
                    sets = ["job.device=" + device]
                    self.killed(stack, "log.hold=" + hold, *sets)
                    self.killed(stack, "log.hold=" + hold, "job.proposer=all", *sets)
                    summary = self.run_on(stack, 2, *sets)
                    self.assertGreaterEqual(summary["disk"]["recovered"], 60)

    def test_a_source_whose_requests_are_not_stored_does_not_go_on_after_a_SIGKILL(self):
        job = Job(self, UPON, [*ENDLESS, "job.stack=lbeb"])
        job.progress(30)
        job.must("pause", "2")  # so that something is owed
        job.wait(lambda stats: stats["processes"][0]["delivered"] >
                 stats["processes"][2]["delivered"] + 20)
        job.child.kill()
        job.child.wait()
        self.refused("did not come to its end", stack="lbeb")

    # ---- refusing --------------------------------------------------------------------------------

    def test_logs_of_something_else_are_refused(self):
        self.run_on("lurb", 0, "job.cluster=7")
        for words, sets in (("processes, and job.n is 4", ["job.n=4"]),
                            ("operations of 64 bytes", ["job.size=128B"]),
                            ("cluster 7, and job.cluster is 8", ["job.cluster=8"]),
                            ("seed 1, which vouches", ["job.seed=2"]),
                            ("params.store_msgs = ", ["params.store_msgs=256"]),
                            ("have 16384 KiB, and log.size is 8192 KiB", ["log.size=8MiB"])):
            self.refused(words, *sets)
        self.refused("of stack lurb, and job.stack is luc", stack="luc")
        self.refused("give log.dir", "log.dir=")
        self.refused("log.reuse = yes to go on with it", "log.reuse=no")
        self.run_on("lurb", 1)  # nothing was changed

    def test_two_runs_at_a_time_are_refused(self):
        job = Job(self, UPON, [*ENDLESS, "job.stack=lurb"])
        job.progress(10)
        self.refused("another run uses these logs")
        self.log("backup", "logs", "copy", status=2)
        job.progress(10)
        self.found(job.end())

    def test_logs_without_a_ledger_are_refused(self):
        self.run_on("lurb", 0)
        os.remove(os.path.join(self.logs, "ledger"))
        self.refused("there are logs and no ledger")

    def test_a_log_that_lacks_what_was_acknowledged_is_refused(self):
        self.run_on("lurb", 0)
        self.log("backup", "logs/p1", "copy")
        self.run_on("lurb", 1)
        shutil.rmtree(os.path.join(self.logs, "p1"))
        shutil.copytree(os.path.join(self.folder.name, "copy"), os.path.join(self.logs, "p1"))
        self.refused("and its log does not hold it; restore all logs")

    def lose_power(self, entries):
        """As if the machine had gone down: memory is gone, and with it the last of the ledger. Each
        process keeps so many entries of 16 bytes."""
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as f:
            now = f.read().strip().encode()
        with open(os.path.join(self.logs, "ledger"), "r+b") as f:
            head = f.read(4096)
            f.seek(head.index(now))
            f.write(b"0" * len(now))
            size = 16 * int.from_bytes(head[head.index(b"UPLEDGER") + 120:][:4], "little")
            for p in range(3):
                f.seek(4096 + p * size + 16 * entries)
                f.write(bytes(min(size - 16 * entries, 1 << 20)))

    def test_the_machine_went_down_while_a_run_was_under_way(self):
        for stack in ("lurb", "handover_cursor"):
            with self.subTest(stack):
                shutil.rmtree(self.logs, ignore_errors=True)
                self.killed(stack)
                for run, entries in ((1, 7), (3, 100), (5, 0)):
                    self.lose_power(entries)
                    summary = self.run_on(stack, run)
                    self.assertGreaterEqual(summary["disk"]["recovered"], 90)
                    self.killed(stack)

    def test_the_machine_went_down_and_nobody_knows_what_was_decided(self):
        self.killed("luc")
        self.lose_power(7)
        self.refused("the machine went down while a run was under way", stack="luc")

    def test_the_machine_went_down_and_the_log_had_dropped_it(self):
        sets = ["log.size=4MiB", "job.size=1000B", "load.rate=5k", "params.store_msgs=256"]
        compactions = run = 0
        while compactions == 0:
            summary = self.run_on("lurb", run, *sets)
            compactions = summary["disk"]["compactions"]
            run += 1
        self.killed("lurb", *sets)
        self.lose_power(0)
        self.refused("nor its ledger tells of log-delivery 0; go on from a backup", *sets)

    def test_a_run_that_does_not_begin_leaves_nothing(self):
        for key in ("log.keep=yes", "log.reuse=yes"):
            self.refused("", "job.control=/nonesuch/socket", "log.reuse=no", key)
            self.assertFalse(os.path.exists(self.logs), key)

    # ---- backups ---------------------------------------------------------------------------------

    def test_a_backup_is_restored_and_gone_on_with(self):
        for stack in ("lurb", "luc"):
            with self.subTest(stack):
                for name in ("logs", "copy", "again", "third"):
                    shutil.rmtree(os.path.join(self.folder.name, name), ignore_errors=True)
                self.run_on(stack, 0)
                self.log("backup", "logs", "copy")
                told = self.run_on(stack, 1)["disk"]["recovered"]  # what the backup lacks
                self.log("restore", "copy", "again")
                summary = self.run_on(stack, 1, "log.dir=again", restores=1)
                self.assertEqual(summary["disk"]["recovered"], told)
                self.run_on(stack, 2, "log.dir=again", restores=1)
                self.assertIn("restored", self.log("verify", "again").stdout)
                self.run_on(stack, 2)  # and the first goes on as well
                self.log("backup", "again", "third")
                self.log("restore", "third", "logs", status=2)  # where there are some

    def test_one_log_that_was_restored_without_the_others_is_refused(self):
        self.run_on("lurb", 0)
        self.log("backup", "logs/p1", "copy")
        shutil.rmtree(os.path.join(self.logs, "p1"))
        self.log("restore", "copy", "logs/p1")
        self.refused("the log of p1, or its ledger, was restored from a backup and others were not")

    def test_a_copy_that_fails_leaves_nothing(self):
        self.run_on("lurb", 0)
        with open(os.path.join(self.logs, "p2", "seg-0000"), "r+b") as f:
            f.seek(4096 + 700)
            f.write(b"x")
        self.log("backup", "logs", "copy", status=1)
        self.assertFalse(os.path.exists(os.path.join(self.folder.name, "copy")))
        self.assertIn("logs/p2: damaged", self.log("verify", "logs", status=1).stdout)
        self.refused("the log of p2: ")


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + sys.argv[2:], verbosity=2)
