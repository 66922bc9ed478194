/* SPDX-License-Identifier: BSD-3-Clause */
/* Device ring: all processes in one OS process, a lane for each ordered pair. */
#include "fabric_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "large.h"

#define LANE_SLOTS     2048 /* a full window of one-record frames, and acknowledgements */
#define RING_PROCS_MAX 64   /* 64 MiB of lanes */

int fabric_check_together(struct fabric *f, uint16_t procs_max)
{
    if (f->conf.n > procs_max)
        return fabric_refuse_key(f, "job.n", EINVAL,
                                 "device %s: n = %u is more than %u: lower job.n or use another "
                                 "device",
                                 f->conf.device, f->conf.n, procs_max);
    if (f->conf.selves != f->conf.n)
        return fabric_refuse(f, EINVAL,
                             "device %s: all %u processes live in one OS process, not "
                             "%u of them: use memif between OS processes",
                             f->conf.device, f->conf.n, f->conf.selves);
    return 0;
}

static int ring_check(struct fabric *f)
{
    return fabric_check_together(f, RING_PROCS_MAX);
}

/* Ends in lines of their own: each thread moves its own at every packet. */
static struct lane_end *new_ends(uint16_t n)
{
    size_t bytes = RTE_ALIGN_CEIL(n * sizeof(struct lane_end), 2 * (size_t)RTE_CACHE_LINE_SIZE);
    struct lane_end *ends = aligned_alloc(2 * (size_t)RTE_CACHE_LINE_SIZE, bytes);
    if (ends != NULL)
        memset(ends, 0, bytes);
    return ends;
}

/* The lane from the k-th process here to the i-th. */
static struct lane_end lane(const struct fabric *f, uint16_t k, uint16_t i)
{
    size_t index = (size_t)k * f->conf.selves + i;
    return (struct lane_end){.slot = f->lane_slot + index * LANE_SLOTS, .mask = LANE_SLOTS - 1};
}

static int ring_open(struct fabric *f)
{
    uint16_t m = f->conf.selves;
    f->lane_slots = (size_t)m * m * LANE_SLOTS;
    f->lane_slot = large_new(f->lane_slots * sizeof f->lane_slot[0]);
    if (f->lane_slot == NULL)
        return fabric_refuse(f, ENOMEM, "device %s: no memory for %u lanes of %d packets",
                             f->conf.device, m * m, LANE_SLOTS);
    for (uint16_t i = 0; i < m; i++) {
        struct env_dpdk *e = f->proc[i].env;
        e->in = new_ends(m);
        e->out = new_ends(m);
        if (e->in == NULL || e->out == NULL)
            return fabric_refuse(f, ENOMEM, "device %s: out of memory", f->conf.device);
        for (uint16_t k = 0; k < m; k++) {
            e->out[f->proc[k].rank] = lane(f, i, k);
            if (k != i)
                e->in[e->sources++] = lane(f, k, i);
        }
    }
    snprintf(f->text, sizeof f->text, "ring (shared memory, %u lanes of %d packets)", m * (m - 1u),
             LANE_SLOTS);
    return 0;
}

const struct fabric_device_ops fabric_ring = {
    .name = "ring",
    .text = "shared memory between threads of one OS process",
    .check = ring_check,
    .open = ring_open,
    .shares_pool = true,
    .memory = true,
};
