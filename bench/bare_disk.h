/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bare disk, the floor of whatever is stored: an io_uring over one file that was filled with zeros
 * before, direct writes of registered buffers with a flush linked behind each, and nothing else.
 * What goes wrong ends the bench.
 */
#ifndef UPON_BENCH_BARE_DISK_H
#define UPON_BENCH_BARE_DISK_H

#include <liburing.h>
#include <stdint.h>

#define BARE_FILE_BYTES   (16u << 20)
#define BARE_BUFFERS      8
#define BARE_BUFFER_BYTES (128u << 10)

struct bare_disk {
    struct io_uring ring;
    int fd;
    uint8_t *block;
    uint64_t at; /* where it writes next: round the file */
};

void bare_disk_open(struct bare_disk *b, const char *path);
void bare_disk_close(struct bare_disk *b);

/* Begin to write one of the buffers, and to flush. */
void bare_disk_write(struct bare_disk *b, uint32_t buffer, uint32_t bytes);

/* The buffer of a write whose flush has ended; −1: none has. */
int bare_disk_poll(struct bare_disk *b);

/* Wait by polling, as the log does. Returns the buffer. */
static inline uint32_t bare_disk_reap(struct bare_disk *b)
{
    int buffer;
    do
        buffer = bare_disk_poll(b);
    while (buffer < 0);
    return (uint32_t)buffer;
}

#endif
