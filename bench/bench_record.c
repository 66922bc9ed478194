/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a record costs: three processes on one core, a stream of operations, with and without
 * recorders before the border of the top. The floor is the same stack unrecorded, in the same
 * rounds. `ns_per_record` is the difference, over the records that an operation makes.
 *
 * Off costs nothing by construction: no handler of ours stands anywhere.
 */
#include <stdlib.h>

#include "bed.h"
#include "control/record.h"

#define N            3
#define BYTES        64
#define OPS          4096
#define ROUNDS       201
#define RING_RECORDS (64 * 1024)

struct record_bench {
    struct bed *bed;
    struct record_area *area;
    struct recorder recorder[N];
    double floor_ns;      /* of the last round */
    double extra[ROUNDS]; /* ns of an operation that recorders took, by round */
    uint32_t rounds;
    uint32_t listened; /* rounds with recorders */
};

static const char *const stacks[] = {"pl", "urb", "uc"};

static void close_all(void *ctx)
{
    struct record_bench *b = ctx;
    if (b->bed != NULL)
        bed_close(b->bed);
    free(b->area);
    free(b);
}

static void *open_all(const int64_t *args, const char **why)
{
    struct bed_conf conf = {.stack = stacks[args[0]],
                            .n = N,
                            .bytes = BYTES,
                            .stack_conf = {.detect_ns = 100 * BED_SECOND,
                                           .heartbeat_ns = BED_SECOND}};
    struct record_plan plan = {.rare = true, .border = {RING_RECORDS, RING_RECORDS, RING_RECORDS}};
    struct record_bench *b = calloc(1, sizeof *b);
    size_t bytes = (record_area_bytes(&plan, N) + 63) & ~(size_t)63;
    b->area = aligned_alloc(64, bytes);
    memset(b->area, 0, bytes); /* all present, as beside a board */
    record_area_init(b->area, &plan, N);
    b->bed = bed_open(&conf, why);
    if (b->bed == NULL) {
        close_all(b);
        return NULL;
    }
    for (uint16_t p = 0; p < N; p++)
        recorder_init(&b->recorder[p], b->area, p);
    return b;
}

static double without(void *ctx)
{
    struct record_bench *b = ctx;
    b->floor_ns = bed_round(b->bed, OPS);
    return b->floor_ns;
}

static double with(void *ctx)
{
    struct record_bench *b = ctx;
    for (uint16_t p = 0; p < N; p++)
        recorder_listen(&b->recorder[p], b->bed->st[p]);
    b->listened++;
    double ns = bed_round(b->bed, OPS);
    for (uint16_t p = 0; p < N; p++) {
        recorder_leave(&b->recorder[p], b->bed->st[p]);
        for (uint32_t k = 0; k < RECORD_RINGS; k++) /* it was read */
            board_put(&b->area->row[p].tail[k], b->recorder[p].head[k]);
    }
    if (b->rounds < ROUNDS && b->floor_ns > 0)
        b->extra[b->rounds++] = ns - b->floor_ns;
    return ns;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(void *ctx, struct bench_out *out)
{
    struct record_bench *b = ctx;
    uint64_t records = 0;
    bool ended = false;
    for (uint16_t p = 0; p < N; p++) {
        records += b->recorder[p].head[RECORD_BORDER];
        ended |= b->recorder[p].ended[RECORD_BORDER];
    }
    const double each = (double)records / ((double)b->listened * OPS);
    qsort(b->extra, b->rounds, sizeof b->extra[0], by_value);
    bench_put(out, "records_per_op", each);
    bench_put(out, "ns_per_record", b->extra[b->rounds / 2] / each);
    bench_put(out, "ring_was_full", ended);
}

BENCH(record, .arg_names = {"stack"}, .cases = {{0}, {1}, {2}}, .case_count = 3, .rounds = ROUNDS,
      .open = open_all, .floor = without, .subject = with, .report = report, .close = close_all)
