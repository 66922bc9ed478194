/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of processes that a link looks through when a breath ends. What a walk costs grows with its
 * members, not with n: of a thousand peers, a breath touches a few.
 */
#ifndef UPON_PROCS_H
#define UPON_PROCS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/limits.h"

struct procs {
    uint64_t words; /* bit i: word[i] may have members */
    uint64_t word[PROCS_MAX / 64];
};
static_assert(PROCS_MAX / 64 <= 64, "a bit for each word");

static inline void procs_add(struct procs *s, uint16_t q)
{
    s->words |= 1ull << q / 64;
    s->word[q / 64] |= 1ull << q % 64;
}

static inline bool procs_has(const struct procs *s, uint16_t q)
{
    return s->word[q / 64] >> q % 64 & 1;
}

struct procs_walk {
    uint64_t words, members;
    uint32_t base;
};

/* A walk that takes every member out. Who is added while it lasts may be left to the next one. */
static inline struct procs_walk procs_walk(struct procs *s)
{
    struct procs_walk walk = {s->words, 0, 0};
    s->words = 0;
    return walk;
}

/* The next member, in *q; false: there is none left. */
static inline bool procs_take(struct procs *s, struct procs_walk *walk, uint16_t *q)
{
    while (walk->members == 0) {
        if (walk->words == 0)
            return false;
        uint32_t i = (uint32_t)__builtin_ctzll(walk->words);
        walk->words &= walk->words - 1;
        walk->members = s->word[i];
        walk->base = i * 64;
        s->word[i] = 0;
    }
    *q = (uint16_t)(walk->base + (uint32_t)__builtin_ctzll(walk->members));
    walk->members &= walk->members - 1;
    return true;
}

#endif
