/* SPDX-License-Identifier: BSD-3-Clause */
#include "bare_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/log_format.h"

static void must(int err, const char *what)
{
    if (err < 0) {
        fprintf(stderr, "bare disk: %s: %s\n", what, strerror(-err));
        exit(1);
    }
}

static void fill(const struct bare_disk *b, const char *path)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    for (uint32_t i = 0; i < BARE_FILE_BYTES; i += BARE_BUFFER_BYTES)
        if (fd < 0 || write(fd, b->block, BARE_BUFFER_BYTES) != (ssize_t)BARE_BUFFER_BYTES)
            must(errno != 0 ? -errno : -EIO, path);
    must(fsync(fd), path);
    close(fd);
}

void bare_disk_open(struct bare_disk *b, const char *path)
{
    const size_t bytes = (size_t)BARE_BUFFERS * BARE_BUFFER_BYTES;
    b->at = 0;
    b->block = aligned_alloc(LOG_BLOCK_BYTES, bytes);
    memset(b->block, 0, bytes);
    fill(b, path);
    memset(b->block, 0x5a, bytes);
    b->fd = open(path, O_RDWR | O_DIRECT);
    must(b->fd < 0 ? -errno : 0, path);
    must(io_uring_queue_init(4 * BARE_BUFFERS, &b->ring, 0), "io_uring");
    struct iovec iov = {b->block, bytes};
    must(io_uring_register_buffers(&b->ring, &iov, 1), "buffers");
    must(io_uring_register_files(&b->ring, &b->fd, 1), "files");
}

void bare_disk_close(struct bare_disk *b)
{
    io_uring_queue_exit(&b->ring);
    close(b->fd);
    free(b->block);
}

void bare_disk_write(struct bare_disk *b, uint32_t buffer, uint32_t bytes)
{
    if (b->at + bytes > BARE_FILE_BYTES)
        b->at = 0;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_write_fixed(sqe, 0, b->block + (size_t)buffer * BARE_BUFFER_BYTES, bytes, b->at,
                              0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_IO_LINK;
    sqe->user_data = UINT64_MAX;
    sqe = io_uring_get_sqe(&b->ring);
    io_uring_prep_fsync(sqe, 0, IORING_FSYNC_DATASYNC);
    sqe->flags |= IOSQE_FIXED_FILE;
    sqe->user_data = buffer;
    b->at += bytes;
    io_uring_submit(&b->ring);
}

int bare_disk_poll(struct bare_disk *b)
{
    struct io_uring_cqe *cqe;
    while (io_uring_peek_cqe(&b->ring, &cqe) == 0) {
        uint64_t of = cqe->user_data;
        must(cqe->res, "write");
        io_uring_cqe_seen(&b->ring, cqe);
        if (of != UINT64_MAX)
            return (int)of;
    }
    return -1;
}
