/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One OS process of a device test:
 *
 *   node DEVICE ARGS N FIRST LAST [messages=…] [bytes=…] [mtu=…] [checksum=1] [linger_ms=…]
 *        [timeout_ms=…] [min_drop=…] [eal=--vdev=…] [tsc_hz=…]
 *
 * runs processes FIRST to LAST of N, in turn on one thread, each broadcasting its messages; with
 * threads=1 each on its own. Status 0: all delivered, once, unchanged, and no packet leaked. SIGTERM:
 * linger no more. SIGUSR1: print how far it is.
 */
#include "device.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/eal.h"
#include "dataplane/placement.h"

struct options {
    struct device_job job;
    const char *eal[8];
    uint64_t tsc_hz;
    bool incomplete; /* nothing is to be delivered */
};

static void option(struct options *o, const char *arg, unsigned *eals)
{
    const char *value = strchr(arg, '=');
    device_check(value != NULL, arg);
    size_t key = (size_t)(value++ - arg);
    uint64_t v = strtoull(value, NULL, 0);
#define IS(name) (key == strlen(name) && strncmp(arg, name, key) == 0)
    if (IS("messages"))
        o->job.messages = v;
    else if (IS("bytes"))
        o->job.bytes = o->job.fabric.msg_bytes = (uint32_t)v;
    else if (IS("mtu"))
        o->job.fabric.mtu = (uint32_t)v;
    else if (IS("checksum"))
        o->job.fabric.checksum = v != 0;
    else if (IS("linger_ms"))
        o->job.linger_ns = v * 1000000;
    else if (IS("timeout_ms"))
        o->job.timeout_ns = v * 1000000;
    else if (IS("threads"))
        o->job.threads = v != 0;
    else if (IS("incomplete"))
        o->incomplete = v != 0;
    else if (IS("tsc_hz"))
        o->tsc_hz = v;
    else if (IS("eal") && *eals < RTE_DIM(o->eal) - 1)
        o->eal[(*eals)++] = value;
    else
        device_check(false, arg);
#undef IS
}

static volatile sig_atomic_t enough;

static void on_term(int signal_number)
{
    (void)signal_number;
    enough = 1;
}

static volatile sig_atomic_t report;

static void on_usr1(int signal_number)
{
    (void)signal_number;
    report = 1;
}

int main(int argc, char **argv)
{
    static uint16_t ranks[PSET_PROCS];
    struct options o = {.job = {.messages = 2000,
                                .bytes = 64,
                                .linger_ns = 300000000,
                                .enough = &enough,
                                .report = &report,
                                .timeout_ns = 120000000000,
                                .fabric = {.msg_bytes = 64, .self = ranks}}};
    unsigned eals = 0;
    char why[512];
    signal(SIGTERM, on_term);
    signal(SIGUSR1, on_usr1);
    device_check(argc >= 6, "usage: node DEVICE ARGS N FIRST LAST [key=value …]");
    o.job.fabric.device = argv[1];
    o.job.fabric.args = argv[2];
    o.job.fabric.n = (uint16_t)atoi(argv[3]);
    int first = atoi(argv[4]), last = atoi(argv[5]);
    device_check(first >= 0 && last >= first && last < PSET_PROCS, "ranks");
    for (int r = first; r <= last; r++)
        ranks[o.job.fabric.selves++] = (uint16_t)r;
    for (int i = 6; i < argc; i++)
        option(&o, argv[i], &eals);
    struct placement p;
    device_check(placement_make(&p, o.job.fabric.selves, NULL, why, sizeof why) == 0, why);
    struct eal_conf conf = {.cpu = p.cpu,
                            .cpus = o.job.threads ? p.lcores : 0,
                            .memory_bytes = fabric_memory_wanted(&o.job.fabric),
                            .args = eals > 0 ? o.eal : NULL,
                            .tsc_hz = o.tsc_hz};
    device_check(eal_start(&conf, why, sizeof why) == 0, why);
    struct device_result r;
    if (device_run(&o.job, &r) != 0)
        return 2;
    device_print(&r);
    device_check(r.leak == 0, "all packets return");
    device_check(r.wrong == 0, "nothing is delivered twice, or altered");
    device_check(r.complete != o.incomplete,
                 o.incomplete ? "something was delivered" : "every message is delivered");
    eal_stop();
    return 0;
}
