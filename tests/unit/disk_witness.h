/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A second witness of what real files hold. A disk over disk_uring that believes nothing of what it
 * says: it watches the requests on their way to the kernel (linked with --wrap, meson.build) and
 * keeps in memory what the device is known to hold, which is the contents as of the flushes that
 * have ended. A flush makes durable the writes of its file that were known to have ended when it was
 * submitted, and the one that it is linked behind; nothing else does.
 *
 * It also tells of the ends of writes in any order, and late.
 *
 * At a chosen request or completion the power is cut: the image is what was flushed, and of each
 * write that was not, nothing, all, or any of its sectors. The run that goes on below is of no
 * consequence: the image is written over another folder, and that one is opened next.
 */
#ifndef UPON_DISK_WITNESS_H
#define UPON_DISK_WITNESS_H

#include "dataplane/disk.h"
#include "dataplane/disk_uring.h"
#include "protocols/random.h"

#define WITNESS_WRITES_MAX 128

/* Faults planted, to see the witness and its oracle notice them. */
enum witness_fault {
    WITNESS_HONEST,
    WITNESS_ACKS_EARLY,  /* a write is said to be durable as soon as it has begun */
    WITNESS_DROPS_WRITE, /* a write is not on the medium, although a flush for it has ended */
};

struct witness_write {
    uint8_t *data;      /* a copy, as of the submission */
    uint64_t offset;    /* in the image */
    uint64_t user_data; /* of the request */
    uint64_t flush;     /* that makes it durable when it ends; 0: none yet */
    uint32_t slot;
    uint32_t buffer;
    uint32_t bytes;
    bool ended;   /* its completion was seen: the device has it, perhaps in a volatile cache */
    bool flushed; /* that flush has ended … */
    bool told;    /* … and the log was told so */
};

struct witness_stats {
    uint32_t images;
    uint32_t unflushed, absent, whole, torn; /* writes, over all images */
};

struct witness {
    struct disk disk; /* what the log uses */
    struct disk *below;
    uint32_t slots, segment_bytes;
    size_t bytes;
    uint8_t *medium;      /* flushed; the segments, then the super file */
    uint8_t *image;       /* what the cut has left */
    bool cut;             /* the power is gone: `image` holds */
    uint32_t events_left; /* requests and completions until then */
    struct random random;
    struct witness_write write[WITNESS_WRITES_MAX]; /* not flushed, in order of submission */
    uint32_t writes;
    struct witness_flush {
        uint64_t user_data, name;
    } flush[WITNESS_WRITES_MAX]; /* under way */
    uint32_t flushes;
    uint64_t flush_name;       /* of the last one */
    uint32_t under_way;        /* writes of the log's that were not told to have ended */
    struct disk_done held[64]; /* ended, not told yet */
    uint32_t helds;
    bool in_super; /* the plain writes are the super file's */
    enum witness_fault fault;
    uint32_t drop_in; /* WITNESS_DROPS_WRITE: flushed writes until the one that is lost */
    uint32_t dropped;
    struct disk_done early[64];
    uint32_t earlies;
    struct witness_stats stats;
};

/* A witness whose medium is all zeros. */
void witness_init(struct witness *w, struct log_shape shape, uint64_t seed);
void witness_free(struct witness *w);

/* Write `image` over the files of a folder and take it for the medium. 0 or −errno. */
int witness_restore(struct witness *w, const char *dir, const uint8_t *image);

/* Open the folder; the power will be cut before the events-th request or completion. */
int witness_open(struct witness *w, const struct disk_uring_conf *conf, uint32_t events, char *why,
                 size_t why_size);

/* Cut the power now, unless it was. */
void witness_cut(struct witness *w);

/* The process ends: what it has under way below is awaited, and forgotten here. */
void witness_close(struct witness *w);

#endif
