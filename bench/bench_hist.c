/* SPDX-License-Identifier: BSD-3-Clause */
/* Recording a latency, beside adding one to a slot that is known. */
#include <stdlib.h>

#include "bench.h"
#include "control/hist.h"
#include "protocols/random.h"
#include "tsc.h"

#define VALUES 4096
#define TURNS  16

struct hists {
    uint64_t value[VALUES];
    uint32_t slot[VALUES];
    struct hist h;
    uint64_t count[HIST_SLOTS];
};

/* Latencies as they are: a few microseconds, with a tail. */
static void *hist_open(const int64_t *args, const char **why)
{
    (void)args, (void)why;
    struct hists *s = calloc(1, sizeof *s);
    struct random r = random_seeded(1, 0);
    for (int i = 0; i < VALUES; i++) {
        s->value[i] = 1500 + random_below(&r, 4000);
        if (random_below(&r, 100) == 0)
            s->value[i] *= 1 + random_below(&r, 1000);
        s->slot[i] = hist_slot(s->value[i]);
    }
    return s;
}

static double hist_floor(void *ctx)
{
    struct hists *s = ctx;
    uint64_t start = tsc_now();
    for (int t = 0; t < TURNS; t++) {
        for (int i = 0; i < VALUES; i++)
            s->count[s->slot[i]]++;
        keep(s);
    }
    return tsc_ns(tsc_now() - start) / (TURNS * VALUES);
}

static double hist_subject(void *ctx)
{
    struct hists *s = ctx;
    uint64_t start = tsc_now();
    for (int t = 0; t < TURNS; t++) {
        for (int i = 0; i < VALUES; i++)
            hist_record(&s->h, s->value[i]);
        keep(s);
    }
    return tsc_ns(tsc_now() - start) / (TURNS * VALUES);
}

BENCH(hist_record, .open = hist_open, .floor = hist_floor, .subject = hist_subject, .close = free,
      .wanted = "at most 3 ns")
