/* SPDX-License-Identifier: BSD-3-Clause */
/* Links over the device ring: 64-byte messages on one core, and between two. */
#include <stdlib.h>

#include "bed.h"
#include "bench.h"

#define BYTES 64

/* Rounds are short beside a scheduler's time slice, so that the median is one that nobody broke. */
#define STREAM_OPS 8192
#define ALONE_OPS  200
#define ROUNDS     301

/* ---- one core -------------------------------------------------------------------------------- */

struct one_core {
    struct bed *bed;
    struct bare *bare;
};

static void *one_core_open(const char *stack, struct stack_conf sc, const char **why)
{
    struct one_core *o = calloc(1, sizeof *o);
    struct bed_conf conf = {.stack = stack, .n = 2, .bytes = BYTES, .stack_conf = sc};
    o->bare = bare_open(BYTES, why);
    o->bed = o->bare != NULL ? bed_open(&conf, why) : NULL;
    if (o->bed == NULL) {
        free(o);
        return NULL;
    }
    return o;
}

static void *fll_open(const int64_t *args, const char **why)
{
    (void)args;
    return one_core_open("fll", (struct stack_conf){0}, why);
}

static void *pl_open(const int64_t *args, const char **why)
{
    (void)args;
    return one_core_open("pl", (struct stack_conf){0}, why);
}

static double one_core_floor(void *ctx)
{
    return bare_round(((struct one_core *)ctx)->bare, STREAM_OPS);
}

static double one_core_subject(void *ctx)
{
    return bed_round(((struct one_core *)ctx)->bed, STREAM_OPS);
}

static void one_core_report(void *ctx, struct bench_out *out)
{
    bed_report(((struct one_core *)ctx)->bed, out);
}

static void one_core_close(void *ctx)
{
    bed_close(((struct one_core *)ctx)->bed);
    free(ctx);
}

/*
 * One message and its answer, without the way between two cores: what a hop costs in work. Alarms
 * stand far off, so that the instructions of a round trip can be counted where time runs slowly
 * (callgrind --toggle-collect=bed_alone).
 */
static void *pl_alone_open(const int64_t *args, const char **why)
{
    (void)args;
    struct stack_conf sc = {.rto_min_ns = 100 * BED_SECOND, .ack_delay_ns = 10 * BED_SECOND};
    struct one_core *o = one_core_open("pl", sc, why);
    if (o != NULL)
        o->bed->conf.echo = true;
    return o;
}

static double one_core_alone_floor(void *ctx)
{
    return bare_alone(((struct one_core *)ctx)->bare, ALONE_OPS);
}

static double one_core_alone(void *ctx)
{
    return bed_alone(((struct one_core *)ctx)->bed, ALONE_OPS);
}

BENCH(link_pl_alone_one_core, .rounds = ROUNDS, .open = pl_alone_open,
      .floor = one_core_alone_floor, .subject = one_core_alone, .report = one_core_report,
      .close = one_core_close)
BENCH(link_fll_one_core, .rounds = ROUNDS, .open = fll_open, .floor = one_core_floor,
      .subject = one_core_subject, .report = one_core_report, .close = one_core_close,
      .wanted = "ratio at most 2")
BENCH(link_pl_one_core, .rounds = ROUNDS, .open = pl_open, .floor = one_core_floor,
      .subject = one_core_subject, .report = one_core_report, .close = one_core_close)

/* ---- two cores ------------------------------------------------------------------------------- */

static void *stream_open(const int64_t *args, const char **why)
{
    (void)args;
    struct bed_conf conf = {.stack = "pl", .n = 2, .bytes = BYTES};
    return duo_open(&conf, why);
}

static double stream_floor(void *ctx)
{
    return duo_bare_stream(ctx, STREAM_OPS);
}

static double stream_subject(void *ctx)
{
    return duo_bed_stream(ctx, STREAM_OPS);
}

static void *alone_open(const int64_t *args, const char **why)
{
    (void)args;
    struct bed_conf conf = {.stack = "pl", .n = 2, .bytes = BYTES, .echo = true};
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

static double alone_subject(void *ctx)
{
    return duo_bed_alone(ctx, ALONE_OPS);
}

static void duo_report(void *ctx, struct bench_out *out)
{
    bed_report(((struct duo *)ctx)->bed, out);
}

static void duo_bench_close(void *ctx)
{
    duo_close(ctx);
}

BENCH(link_pl_two_cores, .rounds = ROUNDS, .open = stream_open, .floor = stream_floor,
      .subject = stream_subject, .report = duo_report, .close = duo_bench_close,
      .wanted = "at least 20 M messages/s")
BENCH(link_pl_round_trip, .rounds = ROUNDS, .open = alone_open, .floor = alone_floor,
      .floor2 = alone_floor2, .subject = alone_subject, .report = duo_report,
      .close = duo_bench_close, .wanted = "ratio at most 1.5")
