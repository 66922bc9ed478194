/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Broadcasts among n processes that share one core: ns for each delivery, and how it grows.
 *
 * The floor writes the body once and sends each peer a packet over a bare ring that copies it or,
 * above the size from which Upon shares, refers to it.
 */
#include <stdlib.h>

#include "bed.h"
#include "bench.h"

#define ROUNDS 101

struct cast {
    struct bed *bed;
    struct bed *other; /* broadcast_share: the bed that copies */
    struct bare *bare;
    uint16_t n;
    uint64_t ops; /* in a round, which is short beside a scheduler's time slice at any size */
};

static uint64_t round_ops(const int64_t *args)
{
    return args[1] <= 256 ? 1024 : 256;
}

static struct bed *cast_bed(const char *stack, const int64_t *args, uint32_t copy_bytes,
                            const char **why)
{
    struct bed_conf conf = {.stack = stack,
                            .n = (uint16_t)args[0],
                            .bytes = (uint32_t)args[1],
                            .window = 64,
                            .stack_conf = {.msg_copy_bytes = copy_bytes,
                                           .detect_ns = 10 * BED_SECOND,
                                           .heartbeat_ns = BED_SECOND}};
    return bed_open(&conf, why);
}

static void cast_close(void *ctx)
{
    struct cast *c = ctx;
    if (c->bed != NULL)
        bed_close(c->bed);
    if (c->other != NULL)
        bed_close(c->other);
    free(c);
}

static void *cast_open(const char *stack, const int64_t *args, const char **why)
{
    struct cast *c = calloc(1, sizeof *c);
    c->n = (uint16_t)args[0];
    c->ops = round_ops(args);
    c->bare = bare_open((uint32_t)args[1], why);
    c->bed = c->bare != NULL ? cast_bed(stack, args, 0, why) : NULL;
    if (c->bed == NULL) {
        cast_close(c);
        return NULL;
    }
    return c;
}

static double cast_floor(void *ctx)
{
    struct cast *c = ctx;
    return bare_broadcast_round(c->bare, (uint16_t)(c->n - 1), c->ops) / c->n;
}

static void cast_report(void *ctx, struct bench_out *out)
{
    bed_report(((struct cast *)ctx)->bed, out);
}

static double cast_subject(void *ctx)
{
    struct cast *c = ctx;
    return bed_round(c->bed, c->ops) / c->n;
}

#define CAST(stack)                                                                            \
    static void *stack##_open(const int64_t *args, const char **why)                           \
    {                                                                                          \
        return cast_open(#stack, args, why);                                                   \
    }                                                                                          \
    BENCH(broadcast_##stack, .arg_names = {"n", "bytes"}, .rounds = ROUNDS,                    \
          .cases = {{3, 64},                                                                   \
                    {5, 64},                                                                   \
                    {7, 64},                                                                   \
                    {3, 1024},                                                                 \
                    {5, 1024},                                                                 \
                    {7, 1024},                                                                 \
                    {3, 8192},                                                                 \
                    {5, 8192},                                                                 \
                    {7, 8192}},                                                                \
          .case_count = 9, .open = stack##_open, .floor = cast_floor, .subject = cast_subject, \
          .report = cast_report, .close = cast_close)

CAST(beb)
CAST(rb_eager)
CAST(urb)

/* ---- sharing beside copying ------------------------------------------------------------------ */

/* The subject shares every body, the floor copies every body: the ratio crosses 1 at the size from
 * which sharing pays, MSG_COPY_BYTES. */
static void *share_open(const int64_t *args, const char **why)
{
    struct cast *c = calloc(1, sizeof *c);
    c->n = (uint16_t)args[0];
    c->ops = round_ops(args);
    c->bed = cast_bed("beb", args, 1, why);
    c->other = c->bed != NULL ? cast_bed("beb", args, MSG_BYTES_MAX, why) : NULL;
    if (c->other == NULL) {
        cast_close(c);
        return NULL;
    }
    return c;
}

static double copying(void *ctx)
{
    struct cast *c = ctx;
    return bed_round(c->other, c->ops) / c->n;
}

BENCH(broadcast_share, .arg_names = {"n", "bytes"}, .rounds = ROUNDS,
      .cases = {{3, 64},
                {3, 128},
                {3, 256},
                {3, 512},
                {3, 1024},
                {3, 2048},
                {3, 4096},
                {3, 8192},
                {7, 256},
                {7, 512},
                {7, 1024},
                {7, 2048}},
      .case_count = 12, .open = share_open, .floor = copying, .subject = cast_subject,
      .report = cast_report, .close = cast_close)
