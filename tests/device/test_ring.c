/* SPDX-License-Identifier: BSD-3-Clause */
/* Device ring: every message once, over one thread and over a thread for each process. */
#include "device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/eal.h"

static const uint16_t ranks[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static struct device_job job_of(uint16_t n)
{
    return (struct device_job){
        .fabric = {.device = "ring", .n = n, .self = ranks, .selves = n, .msg_bytes = 1024},
        .messages = 5000,
        .bytes = 64,
        .linger_ns = 5000000,
        .timeout_ns = 20000000000,
    };
}

static void every_message_once(struct device_job job)
{
    struct device_result r;
    device_check(device_run(&job, &r) == 0, "the run starts");
    device_print(&r);
    device_check(r.complete && r.wrong == 0, "every message is delivered once, as it was sent");
    device_check(r.leak == 0, "all packets return");
    for (int c = COUNT_drop_first; c < COUNTERS; c++)
        if (c != COUNT_drop_duplicate && c != COUNT_drop_tx_full)
            device_check(r.counters[c] == 0, counter_texts[c].id);
}

static void a_fabric_that_cannot_be_is_refused(void)
{
    const struct {
        struct fabric_conf conf;
        const char *says;
    } bad[] = {
        {{.device = "ring", .n = 65, .self = ranks, .selves = 16}, "lower job.n"},
        {{.device = "ring", .n = 17, .self = ranks, .selves = 16}, "all 17 processes live"},
        {{.device = "ring", .n = 3, .self = ranks, .selves = 1}, "use memif"},
        {{.device = "string", .n = 3, .self = ranks, .selves = 3}, "upon list devices"},
        {{.device = "ring", .n = 3, .self = ranks, .selves = 3, .msg_bytes = 9000}, "job.mtu"},
        {{.device = "ring", .n = 0, .self = ranks, .selves = 1}, "n = 0"},
        {{.device = "ring", .n = 3, .self = ranks, .selves = 3, .mtu = 70000}, "mtu = 70000"},
    };
    for (size_t i = 0; i < RTE_DIM(bad); i++) {
        struct fabric *f;
        char why[512] = "";
        device_check(fabric_open(&f, &bad[i].conf, why, sizeof why) == -EINVAL, "refused");
        device_check(strstr(why, bad[i].says) != NULL, why);
    }
}

int main(void)
{
    static const uint16_t sizes[] = {1, 2, 3, 7};
    if (eal_start_light(1024) != 0)
        return 2;
    for (size_t i = 0; i < RTE_DIM(sizes); i++)
        every_message_once(job_of(sizes[i]));
    struct device_job job = job_of(3);
    job.fabric.checksum = true;
    every_message_once(job);
    job.fabric.mtu = 9000; /* shared bodies: chains of segments, and their checksums */
    job.bytes = job.fabric.msg_bytes = 8001;
    job.messages = 1000;
    every_message_once(job);
    a_fabric_that_cannot_be_is_refused();
    return 0;
}
