/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Benches in C over Google Benchmark, which stays behind shim.cc.
 *
 * A bench is a subject beside its floor: what the same work costs without Upon, measured in the
 * same process, in rounds that alternate with the subject's (floor, subject, subject, floor, …), so
 * that whatever else the machine does meets both alike. Reported are medians over the rounds, the
 * median of the paired ratios, and half the distance between their quartiles as its spread.
 */
#ifndef UPON_BENCH_H
#define UPON_BENCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_ARGS  2
#define BENCH_CASES 24

/* Where a bench puts further figures: see bench_put(). */
struct bench_out;

struct bench {
    const char *name;
    const char *arg_names[BENCH_ARGS]; /* NULL: fewer */
    int64_t cases[BENCH_CASES][BENCH_ARGS];
    int case_count; /* 0: one case without arguments */
    int rounds;     /* 0: 101 */
    /* Make ready for a case. NULL: it cannot run here, *why says why in one sentence. */
    void *(*open)(const int64_t *args, const char **why);
    /* One round: returns ns for each operation. A floor that is NULL is none. */
    double (*floor)(void *ctx);
    double (*subject)(void *ctx);
    /* A second floor that does more of the subject's work, by name; reported as floor2_ns, ratio2. */
    double (*floor2)(void *ctx);
    /* Figures beyond the standard ones, after the last round. May be NULL. */
    void (*report)(void *ctx, struct bench_out *out);
    void (*close)(void *ctx);
    const char *wanted; /* what is aimed at, as text in the report */
    struct bench *next;
};

void bench_register(struct bench *b);

/* Define and register a bench: BENCH(hop, .open = …, .subject = …). */
#define BENCH(id, ...)                                                 \
    static struct bench bench_##id = {.name = #id, __VA_ARGS__};       \
    static void __attribute__((constructor)) bench_register_##id(void) \
    {                                                                  \
        bench_register(&bench_##id);                                   \
    }

void bench_put(struct bench_out *out, const char *name, double value);

/* Run what the command line asks for; the value for main(). */
int shim_main(int argc, char **argv, const struct bench *first);

#ifdef __cplusplus
}
#endif

#endif
