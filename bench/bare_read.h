/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The floor of reading a log back: its segment files read from end to end by a bare io_uring, direct,
 * without a look at what is read, in the way that turns out to be the fastest on this machine. What
 * goes wrong ends the bench.
 */
#ifndef UPON_BENCH_BARE_READ_H
#define UPON_BENCH_BARE_READ_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

#define BARE_READ_FILES 8
#define BARE_READ_DEPTH 32

/* How to read: so many at a time, of so many bytes, polling for the end or sleeping until it. */
struct bare_read_way {
    uint32_t depth;
    uint32_t bytes;
    bool polls;
};

struct bare_read {
    struct io_uring ring;
    int fd[BARE_READ_FILES];
    uint32_t files;
    uint32_t file_bytes;
    uint8_t *memory;
    struct bare_read_way best;
};

/* `files` segment files of the log in folder `dir`. Tries all ways, which takes some seconds. */
void bare_read_open(struct bare_read *r, const char *dir, uint32_t files, uint32_t file_bytes);
void bare_read_close(struct bare_read *r);

/* Read all; ns. */
double bare_read_all(struct bare_read *r, struct bare_read_way way);

/* Read all, two at a time, and sum each (CRC32C) while the next ones are on their way; ns. */
double bare_read_summed(struct bare_read *r);

#endif
