/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk in memory, under an adversary: it holds what is under way until it is told to finish it,
 * and a crash leaves any legal state of it: every sector of every unfinished write is there or not,
 * each by itself. Beyond what is legal it can lie, and damage what it holds.
 */
#ifndef UPON_DISK_SIM_H
#define UPON_DISK_SIM_H

#include "disk.h"
#include "log.h"

struct disk_sim_write {
    uint8_t *data;
    uint64_t offset;
    uint64_t due_ns; /* when it finishes, where the schedule keeps time; set by beginning() */
    uint32_t slot;
    uint32_t buffer;
    uint32_t bytes;
    uint32_t ordinal; /* it is the ordinal-th write of this disk: its name in a record */
    uint32_t tag;     /* the scheduler's: set by beginning() */
    bool fails;       /* a fault rule says so; set by beginning() */
    uint32_t tells;   /* 1 + the ordinal of a lost write that this one shows to have been durable */
};

/* What becomes of a write when it finishes. */
enum disk_sim_fate {
    DISK_KEEPS,      /* durable, and said so */
    DISK_LOSES,      /* said to be durable, and is not */
    DISK_MISDIRECTS, /* durable in another place: the slot's first block after the header */
    DISK_FAILS,      /* −EIO; any of its sectors may be there */
    DISK_SHORT,      /* only its first block is there, and said so */
    DISK_FULL,       /* −ENOSPC; nothing of it is there */
    DISK_FATES
};

struct disk_sim {
    struct disk disk;
    struct log_shape shape;
    uint8_t *image;               /* slots × segment_bytes: what is on the medium */
    uint8_t *super;               /* two blocks */
    struct disk_sim_write *write; /* under way, in order of submission */
    uint32_t writes;
    struct disk_done done[64]; /* finished, not yet reaped */
    uint32_t dones;
    uint32_t *used;   /* of each slot: no byte from here on was ever written */
    uint32_t ordinal; /* of the next write */
    bool tainted;     /* it has broken its word, or its medium was damaged … */
    bool lied;        /* … by losing what it acknowledged, and nothing on it shows that yet */
    uint32_t lost;    /* lied: the last write that is not there */
    /* Called for every write that begins. May be NULL. */
    void (*beginning)(void *ctx, struct disk_sim_write *w);
    /* Whether the super block that is about to be written cannot be: its process crashes. May be
     * NULL. */
    bool (*super_fails)(void *ctx);
    void *ctx;
    int super_crash; /* a crash after so many copies of the next super write; negative: none */
    bool crashed;    /* it came: nothing is written any more */
    unsigned
        super_loses; /* bitmap: copies of the next super write that it loses, and says to have */
    uint32_t life;   /* the incarnation that it last said to be in its super block … */
    bool life_told;  /* … and a batch of that life is there */
    uint64_t supers; /* super blocks written, or begun to be */
    uint32_t
        changes; /* sectors on their way at the last crash that would have changed the medium */
};

/* A zero-filled disk with `buffers` of `buffer_bytes`. NULL: out of memory. */
struct disk_sim *disk_sim_new(struct log_shape shape, uint32_t buffers, uint32_t buffer_bytes);
void disk_sim_free(struct disk_sim *d);

/* As new, zero-filled; beginning() stays. */
void disk_sim_reset(struct disk_sim *d);

/* Finish the k-th write under way. `keep(ctx)` chooses sectors where the fate leaves a choice. */
void disk_sim_finish(struct disk_sim *d, uint32_t k, enum disk_sim_fate fate,
                     bool (*keep)(void *ctx), void *ctx);

/* The process crashed: each sector of each write under way is kept or not; the disk is as new. */
void disk_sim_crash(struct disk_sim *d, bool (*keep)(void *ctx), void *ctx);

/* The incarnation that the medium's super block tells of; 0: neither copy is valid. */
uint32_t disk_sim_life(const struct disk_sim *d);

/* Whether it has lost the super block of the life that wrote last, and nothing on it shows that. */
bool disk_sim_life_hidden(const struct disk_sim *d);

/* Flip a bit of the medium. */
void disk_sim_flip(struct disk_sim *d, uint32_t slot, uint64_t byte, unsigned bit);

#endif
