/* SPDX-License-Identifier: BSD-3-Clause */
/* EAL for live runs: placed threads over rings, then nothing is left behind. Takes "huge" to demand
 * hugepages, "nohuge" to do without, "cpu N" to use one processor. */
#include "device.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>

#include "dataplane/clock.h"
#include "dataplane/eal.h"
#include "dataplane/placement.h"

static const uint16_t ranks[] = {0, 1, 2, 3, 4, 5, 6, 7};

int main(int argc, char **argv)
{
    struct placement p;
    char why[512], text[256], folder[256];
    struct device_job job = {
        .fabric = {.device = "ring", .self = ranks, .msg_bytes = 64},
        .messages = 20000,
        .bytes = 64,
        .linger_ns = 5000000,
        .timeout_ns = 20000000000,
    };
    device_check(placement_make(&p, 8, NULL, why, sizeof why) == 0, why);
    uint16_t n = p.lcores; /* a thread for each */
    job.fabric.n = job.fabric.selves = n;
    device_check(placement_make(&p, n, NULL, why, sizeof why) == 0, why);
    placement_text(&p, text, sizeof text);
    struct eal_conf conf = {.cpu = p.cpu,
                            .cpus = p.lcores,
                            .memory_bytes = fabric_memory_wanted(&job.fabric),
                            .no_huge = argc > 1 && strcmp(argv[1], "nohuge") == 0};
    device_check(eal_start(&conf, why, sizeof why) == 0, why);
    printf("%s; %s; TSC %.6f GHz\n", text, eal_memory_text(), (double)clock_start(0) / 1e9);
    if (argc > 1 && strcmp(argv[1], "huge") == 0)
        device_check(strstr(eal_memory_text(), "huge") != NULL, "hugepages are used");
    job.threads = true;
    struct device_result r;
    device_check(device_run(&job, &r) == 0, "the run starts");
    device_print(&r);
    device_check(r.complete && r.wrong == 0 && r.leak == 0, "every message once, all packets back");
    snprintf(folder, sizeof folder, "%s", rte_eal_get_runtime_dir());
    eal_stop();
    device_check(access(folder, F_OK) != 0, "EAL's folder is gone");
    return 0;
}
