/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What checkers are made of: rows found by a 64-bit key, the name of a message in a witness, and
 * the ways to judge. For check_*.c only.
 */
#ifndef UPON_CHECK_TABLE_H
#define UPON_CHECK_TABLE_H

#include "check.h"

#include <inttypes.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- rows by key ----------------------------------------------------------------------------- */

struct check_slot {
    uint64_t key;
    uint32_t generation; /* taken only if it is the table's */
    uint32_t row;
};

/*
 * Open addressing over rows that never move. A reset is O(1): it begins a new generation and uses
 * slots and rows again. The key says where its slot is: at the place in a block that its low bits
 * name, of the block that the next ones name, or of one behind it. So keys that differ in those low
 * bits alone lie side by side (check_group_key()), and one that is not there makes none of them look
 * through the others.
 */
#define CHECK_CHUNK_ROWS  64 /* the first two chunks; each further one has twice as many */
#define CHECK_CHUNKS      27 /* for 2³² rows */
#define CHECK_BLOCK_SLOTS 16 /* four cache lines */

struct check_table {
    struct check_slot *slot;
    size_t row_bytes;
    uint32_t mask;
    uint32_t generation;
    uint32_t chunks;
    uint32_t rows;
    uint8_t *chunk[CHECK_CHUNKS];
};

void check_table_init(struct check_table *t, size_t row_bytes);
void check_table_fini(struct check_table *t);
void check_table_reset(struct check_table *t);

/* The chunk that holds a row: chunk k > 0 begins with row 64 · 2ᵏ⁻¹, and has as many rows. */
static inline uint32_t check_chunk_of(uint32_t row)
{
    return row < CHECK_CHUNK_ROWS ? 0 : 32 - (uint32_t)__builtin_clz(row / CHECK_CHUNK_ROWS);
}

static inline uint32_t check_chunk_rows(uint32_t k)
{
    return k == 0 ? CHECK_CHUNK_ROWS : CHECK_CHUNK_ROWS << (k - 1);
}

static inline void *check_table_row(const struct check_table *t, uint32_t row)
{
    uint32_t k = check_chunk_of(row), first = k == 0 ? 0 : check_chunk_rows(k);
    return t->chunk[k] + (size_t)(row - first) * t->row_bytes;
}

/* The row of `key`, or NULL. */
void *check_table_find(const struct check_table *t, uint64_t key);

/* The row of `key`, made and zeroed if there is none. */
void *check_table_get(struct check_table *t, uint64_t key);

/* Key of a few numbers, or of numbers and bytes. Two messages of equal key are taken as equal. */
static inline uint64_t check_key(uint64_t a, uint64_t b)
{
    uint64_t x = a * 0x9e3779b97f4a7c15u ^ (b + 0x7f4a7c159e3779b9u) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 31) * 0x94d049bb133111ebu;
    return x ^ x >> 29;
}

static inline uint64_t check_bytes_key(uint64_t a, uint64_t b, const uint8_t *msg, uint32_t len)
{
    return XXH3_64bits_withSeed(msg != NULL ? msg : (const uint8_t *)"", len, check_key(a, b));
}

/*
 * Keys for what is counted for each process of a message, say: sixteen neighbours' slots are in one
 * block, for they are asked for one after the other. `key_of` is the group's, made of who / 16.
 */
static inline uint64_t check_group_key(uint64_t key_of, uint32_t who)
{
    return (key_of & ~(uint64_t)(CHECK_BLOCK_SLOTS - 1)) |
           ((who ^ key_of >> 32) & (CHECK_BLOCK_SLOTS - 1));
}

/* ---- the name of a message ------------------------------------------------------------------- */

/* What a trace prints for a message: a number, or a length and a digest (as ev_text() does). */
struct check_tag {
    uint64_t value; /* the number, or the digest */
    uint64_t hash;  /* identity */
    uint32_t len;
};

struct check_tag check_tag(const struct check_event *e);

struct check_text {
    char s[40];
};

struct check_text check_tag_text(const struct check_tag *t);

/* "never", "once", "twice", "3 times" */
struct check_text check_times_text(uint32_t times);

/* ---- judging --------------------------------------------------------------------------------- */

/* A zeroed checker of `bytes` for n processes, all properties of its abstraction filled in. */
void *check_open(const struct check_class *cls, uint16_t n, size_t bytes);

/* The common part of a reset: nobody crashed, nothing was judged. */
void check_restart(struct check *c);

/* The common part of a crash. */
void check_crash(struct check *c, uint16_t p, uint64_t step);

/* The common part of a recovery: p is correct, unless it crashes again. */
void check_recovered(struct check *c, uint16_t p, uint64_t step);

/* A property is violated: the first witness stays. */
void check_violate(struct check *c, uint32_t property, uint64_t step, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

/* The run has ended: liveness holds unless check_owed() says otherwise. */
void check_judge(struct check *c);

/* An obligation is open at the end: a violation if the run was fair, else "not yet". */
void check_owed(struct check *c, uint32_t property, bool fair, uint64_t step, const char *format,
                ...) __attribute__((format(printf, 5, 6), cold));

/* An array that grows, never shrinks; ends the program when memory is out. */
void *check_grow(void *array, size_t count, size_t *capacity, size_t item_bytes);

/* Zeroed memory; ends the program when it is out. */
void *check_zeroed(size_t bytes);

#define CHECK_CLASSES(X) \
    X(FLL, fll)          \
    X(SL, sl)            \
    X(PL, pl)            \
    X(FPL, fpl)          \
    X(P, p)              \
    X(LE, le)            \
    X(EPFD, epfd)        \
    X(OMEGA, omega)      \
    X(BEB, beb)          \
    X(RB, rb)            \
    X(URB, urb)          \
    X(EC, ec)            \
    X(EP, ep)            \
    X(C, c)              \
    X(UC, uc)            \
    X(LOG, log)          \
    X(LPL, lpl)          \
    X(SBEB, sbeb)        \
    X(LBEB, lbeb)        \
    X(LURB, lurb)        \
    X(HO, ho)            \
    X(LEC, lec)          \
    X(LEP, lep)          \
    X(LUC, luc)

#define X(ID, name) extern const struct check_class check_##name##_class;
CHECK_CLASSES(X)
#undef X

#endif
