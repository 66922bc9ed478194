/* SPDX-License-Identifier: BSD-3-Clause */
/* A seeded stream of random numbers: xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64.
 */
#ifndef UPON_RANDOM_H
#define UPON_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t s[4];
};

static inline uint64_t random_splitmix(uint64_t *x)
{
    uint64_t z = *x += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Streams of one seed and different `stream` are independent. */
static inline struct random random_seeded(uint64_t seed, uint64_t stream)
{
    struct random r;
    uint64_t x = seed ^ random_splitmix(&stream);
    for (int i = 0; i < 4; i++)
        r.s[i] = random_splitmix(&x);
    return r;
}

static inline uint64_t random_u64(struct random *r)
{
    uint64_t *s = r->s, five = s[1] * 5, out = (five << 7 | five >> 57) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return out;
}

/* Uniform in [0, bound), bound > 0; Lemire 2019, without the rejection: bias below 2^-32 × bound.
 */
static inline uint32_t random_below(struct random *r, uint32_t bound)
{
    return (uint32_t)((random_u64(r) >> 32) * bound >> 32);
}

/* Uniform in [0, 1). */
static inline double random_unit(struct random *r)
{
    return (double)(random_u64(r) >> 11) * 0x1.0p-53;
}

#endif
