/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A disk, as the log sees it: slots (files) of fixed size that are written in whole blocks and read
 * back. disk_uring.c binds it to io_uring, the simulator to a disk under the adversary.
 */
#ifndef UPON_DISK_H
#define UPON_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_READS_MAX 8

struct disk;

/* A write that has come to its end. */
struct disk_done {
    uint32_t buffer; /* that was given to write() */
    int32_t result;  /* bytes that are durable, or −errno */
};

struct disk_ops {
    /*
     * Begin to make `bytes` of registered buffer `buffer`, from its byte `from` on, durable at
     * `offset` of `slot`. All are multiples of a block. Never blocks; the caller bounds how many
     * are under way: one for each buffer.
     */
    void (*write)(struct disk *d, uint32_t slot, uint64_t offset, uint32_t buffer, uint32_t from,
                  uint32_t bytes);
    /* Hand what write() began to the device: once a breath. */
    void (*submit)(struct disk *d);
    /* Take up to `n` finished writes. Never blocks. */
    uint32_t (*reap)(struct disk *d, struct disk_done *done, uint32_t n);
    /* Read, blocking: recovery alone does it. Bytes read, or −errno. */
    int64_t (*read)(struct disk *d, uint32_t slot, uint64_t offset, void *to, uint32_t bytes);
    /*
     * The same without waiting, or NULL: begin to read, and take the oldest that was begun, its
     * bytes or −errno. At most DISK_READS_MAX are under way; nothing is being written meanwhile.
     */
    void (*read_begin)(struct disk *d, uint32_t slot, uint64_t offset, void *to, uint32_t bytes);
    int64_t (*read_end)(struct disk *d);
    /* Make all durable that is in the slots, whoever wrote it. 0 or −errno. Blocks. NULL: it is. */
    int (*flush)(struct disk *d);
    /* Write the two copies of the super block, each durable before the next. 0 or −errno. Blocks. */
    int (*write_super)(struct disk *d, const void *block);
    /* Read copy 0 or 1 of the super block. 0 or −errno. */
    int (*read_super)(struct disk *d, int copy, void *block);
    void (*close)(struct disk *d);
};

struct disk {
    const struct disk_ops *ops;
    uint8_t *buffers; /* block-aligned, registered with the device */
    uint32_t buffer_count;
    uint32_t buffer_bytes; /* each; a multiple of a block */
    uint32_t slots;        /* there are so many … */
    uint32_t slot_bytes;   /* … of so many bytes */
};

#endif
