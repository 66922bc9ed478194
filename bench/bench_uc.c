/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Uniform consensus among three: the leader p0 on one core, p1 and p2 in turn on another.
 *
 * Alone: the median time from a proposal to its decision at the leader, beside a bare ring's round
 * trip between the same cores. Stream: proposals as fast as they are taken, until all three have
 * decided, beside one packet of the same size over a bare ring.
 */
#include "bed.h"
#include "bench.h"

#define BYTES      64
#define ALONE_OPS  200
#define STREAM_OPS 1024 /* about 0.4 ms: see README.md, short rounds */
#define ROUNDS     301

static void *uc_open(const int64_t *args, const char **why)
{
    (void)args;
    /* Processes stand still while the floor is measured: nobody is to be suspected for it. */
    struct bed_conf conf = {.stack = "uc",
                            .n = 3,
                            .bytes = BYTES,
                            .stack_conf = {.detect_ns = 100 * BED_SECOND,
                                           .heartbeat_ns = BED_SECOND}};
    return duo_open(&conf, why);
}

static double alone_floor(void *ctx)
{
    return duo_bare_echo(ctx, ALONE_OPS);
}

static double alone_floor2(void *ctx)
{
    return duo_bare_answer(ctx, ALONE_OPS);
}

static double alone(void *ctx)
{
    return duo_bed_alone(ctx, ALONE_OPS);
}

static double stream_floor(void *ctx)
{
    return duo_bare_stream(ctx, STREAM_OPS);
}

static double stream(void *ctx)
{
    return duo_bed_stream(ctx, STREAM_OPS);
}

static void uc_report(void *ctx, struct bench_out *out)
{
    bed_report(((struct duo *)ctx)->bed, out);
}

static void uc_close(void *ctx)
{
    duo_close(ctx);
}

/* All three on one core, one instance at a time: the work of a decision without the way. Alarms stand
 * far off, so that its instructions can be counted where time runs slowly. */
static void *work_open(const int64_t *args, const char **why)
{
    (void)args;
    struct bed_conf conf = {.stack = "uc",
                            .n = 3,
                            .bytes = BYTES,
                            .stack_conf = {.detect_ns = 1000 * BED_SECOND,
                                           .heartbeat_ns = 100 * BED_SECOND,
                                           .rto_min_ns = 100 * BED_SECOND,
                                           .ack_delay_ns = 10 * BED_SECOND}};
    return bed_open(&conf, why);
}

static double work(void *ctx)
{
    return bed_alone(ctx, ALONE_OPS);
}

static void work_close(void *ctx)
{
    bed_close(ctx);
}

BENCH(uc_work, .rounds = ROUNDS, .open = work_open, .subject = work, .close = work_close)
BENCH(uc_alone, .rounds = ROUNDS, .open = uc_open, .floor = alone_floor, .subject = alone,
      .floor2 = alone_floor2, .report = uc_report, .close = uc_close, .wanted = "ratio at most 2")
BENCH(uc_stream, .rounds = ROUNDS, .open = uc_open, .floor = stream_floor, .subject = stream,
      .report = uc_report, .close = uc_close, .wanted = "at least 3 M decisions/s")
