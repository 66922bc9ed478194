/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Durable consensus: logged uniform consensus among three on one core, their logs on one disk.
 *
 *   luc_alone    from a proposal to its decision at the leader,   floor: one bare write and flush
 *                after a rest of half a millisecond               floor2: three at once, to three
 *                                                                 files, until two have ended; both
 *                                                                 after the same rest
 *   luc_next     the same without a rest: what the decision       floor: three at once, to three
 *                before left to be done is in its way             files, until two have ended, and
 *                                                                 the next without a rest
 *   luc_stream   proposals as fast as they are taken, until all   floor: one bare write and flush
 *                three have decided them                          after the other
 *
 * Three at once until two have ended is what the algorithm asks of the disk: leader and followers
 * store at the same time, and a decision takes a majority of them. A disk that has rested takes
 * longer, so a floor rests as its subject does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bare_disk.h"
#include "bed.h"
#include "bench.h"
#include "dataplane/log_format.h"
#include "tsc.h"

#define N          3
#define BYTES      64
#define SAMPLES    4096
#define STREAM_OPS 4096
#define TURNS      16 /* of luc_next, in a round */

struct samples {
    double ns[SAMPLES];
    uint32_t count;
};

struct luc_bench {
    struct bed *bed;
    struct bare_disk bare[N];
    struct samples decided, synced;
    uint64_t turns, ended[N]; /* of luc_next's floor: begun in each file, and ended */
};

static double sampled(struct samples *s, double ns)
{
    s->ns[s->count++ % SAMPLES] = ns;
    return ns;
}

static int smaller(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(struct samples *s, double q)
{
    uint32_t n = s->count < SAMPLES ? s->count : SAMPLES;
    qsort(s->ns, n, sizeof s->ns[0], smaller);
    return n > 0 ? s->ns[(uint32_t)(q * (n - 1))] : 0;
}

static void *luc_open(const int64_t *args, const char **why)
{
    (void)args;
    /* Processes stand still while the floor is measured: nobody is to be suspected for it. */
    struct bed_conf conf = {.stack = "luc",
                            .n = N,
                            .bytes = BYTES,
                            .logs = true,
                            .stack_conf = {.detect_ns = 100 * BED_SECOND,
                                           .heartbeat_ns = BED_SECOND}};
    struct bed *bed = bed_open(&conf, why);
    if (bed == NULL)
        return NULL;
    struct luc_bench *b = calloc(1, sizeof *b);
    b->bed = bed;
    for (int p = 0; p < N; p++) {
        char path[128];
        snprintf(path, sizeof path, "%s/floor%d", bed->dir, p);
        bare_disk_open(&b->bare[p], path);
    }
    return b;
}

/* The stragglers of the last decision have ended, and then nothing is done for half a millisecond. */
static void rest(struct luc_bench *b)
{
    for (uint16_t p = 0; p < N; p++)
        while (bed_app(b->bed, p)->heard < bed_app(b->bed, 0)->target)
            bed_breath(b->bed, 0);
    for (uint64_t end = tsc_now() + rte_get_tsc_hz() / 2000; tsc_now() < end;)
        bed_breath(b->bed, 0);
}

static double one_write(struct luc_bench *b)
{
    uint64_t start = tsc_now();
    bare_disk_write(&b->bare[0], 0, LOG_BLOCK_BYTES);
    bare_disk_reap(&b->bare[0]);
    return sampled(&b->synced, tsc_ns(tsc_now() - start));
}

static double one_sync(void *ctx)
{
    return one_write(ctx);
}

static double one_sync_rested(void *ctx)
{
    rest(ctx);
    return one_write(ctx);
}

static double majority_of_syncs(void *ctx)
{
    struct luc_bench *b = ctx;
    uint32_t ended = 0;
    rest(b);
    uint64_t start = tsc_now(), majority = 0;
    for (int p = 0; p < N; p++)
        bare_disk_write(&b->bare[p], 0, LOG_BLOCK_BYTES);
    for (int p = 0; ended < N; p = (p + 1) % N) {
        ended += bare_disk_poll(&b->bare[p]) >= 0;
        if (ended > N / 2 && majority == 0)
            majority = tsc_now();
    }
    return tsc_ns(majority - start);
}

static double one_decision(void *ctx)
{
    struct luc_bench *b = ctx;
    rest(b);
    return sampled(&b->decided, bed_alone(b->bed, 1));
}

static double next_decision(void *ctx)
{
    struct luc_bench *b = ctx;
    return bed_alone(b->bed, TURNS);
}

/* A turn begins when two files have ended the one before; the third may lag behind. */
static double next_majority_of_syncs(void *ctx)
{
    struct luc_bench *b = ctx;
    uint64_t start = tsc_now();
    for (int i = 0; i < TURNS; i++) {
        b->turns++;
        for (int p = 0; p < N; p++) {
            while (b->turns - b->ended[p] >= BARE_BUFFERS)
                b->ended[p] += bare_disk_poll(&b->bare[p]) >= 0;
            bare_disk_write(&b->bare[p], (uint32_t)(b->turns % BARE_BUFFERS), LOG_BLOCK_BYTES);
        }
        for (int done = 0; done <= N / 2;) {
            done = 0;
            for (int p = 0; p < N; p++) {
                b->ended[p] += bare_disk_poll(&b->bare[p]) >= 0;
                done += b->ended[p] == b->turns;
            }
        }
    }
    double ns = tsc_ns(tsc_now() - start) / TURNS;
    for (int p = 0; p < N; p++)
        while (b->ended[p] < b->turns)
            b->ended[p] += bare_disk_poll(&b->bare[p]) >= 0;
    return ns;
}

static double stream(void *ctx)
{
    return bed_round(((struct luc_bench *)ctx)->bed, STREAM_OPS);
}

static void report_disk(struct luc_bench *b, struct bench_out *out)
{
    double decisions = (double)bed_app(b->bed, 0)->heard, writes = 0, records = 0;
    for (uint16_t p = 0; p < N; p++) {
        writes += (double)b->bed->st[p]->counters[COUNT_log_writes];
        records += (double)b->bed->st[p]->counters[COUNT_log_records];
    }
    bench_put(out, "writes_per_decision", writes / decisions);
    bench_put(out, "records_per_decision", records / decisions);
    bed_report(b->bed, out);
}

static void alone_report(void *ctx, struct bench_out *out)
{
    struct luc_bench *b = ctx;
    bench_put(out, "p99_ns", quantile(&b->decided, 0.99));
    bench_put(out, "floor_p99_ns", quantile(&b->synced, 0.99));
    report_disk(b, out);
}

static void stream_report(void *ctx, struct bench_out *out)
{
    report_disk(ctx, out);
}

static void luc_close(void *ctx)
{
    struct luc_bench *b = ctx;
    for (int p = 0; p < N; p++)
        bare_disk_close(&b->bare[p]);
    bed_close(b->bed);
    free(b);
}

BENCH(luc_alone, .rounds = 1001, .open = luc_open, .floor = one_sync_rested,
      .floor2 = majority_of_syncs, .subject = one_decision, .report = alone_report,
      .close = luc_close)
BENCH(luc_next, .rounds = 201, .open = luc_open, .floor = next_majority_of_syncs,
      .subject = next_decision, .report = stream_report, .close = luc_close)
BENCH(luc_stream, .rounds = 41, .open = luc_open, .floor = one_sync, .subject = stream,
      .report = stream_report, .close = luc_close)
