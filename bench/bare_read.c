/* SPDX-License-Identifier: BSD-3-Clause */
#include "bare_read.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tsc.h"

#define BYTES_MAX  (512u << 10)
#define ROUNDS     5
#define FINALISTS  6
#define HUGE_BYTES (2u << 20)

static void must(int err, const char *what)
{
    if (err < 0) {
        fprintf(stderr, "bare read: %s: %s\n", what, strerror(-err));
        exit(1);
    }
}

static int smaller(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The k-th read of all, into one of `buffers`. */
static void begin_read(struct bare_read *r, uint32_t k, uint32_t bytes, uint32_t buffers)
{
    const uint32_t per_file = r->file_bytes / bytes;
    struct io_uring_sqe *sqe = io_uring_get_sqe(&r->ring);
    io_uring_prep_read(sqe, (int)(k / per_file), r->memory + (size_t)(k % buffers) * bytes, bytes,
                       (uint64_t)(k % per_file) * bytes);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, k);
}

/* Wait for one; which. */
static uint32_t end_read(struct bare_read *r, uint32_t bytes, bool polls)
{
    struct io_uring_cqe *cqe;
    if (polls)
        while (io_uring_peek_cqe(&r->ring, &cqe) != 0)
            ;
    else
        must(io_uring_wait_cqe(&r->ring, &cqe), "wait");
    must(cqe->res == (int32_t)bytes ? 0 : -EIO, "read");
    uint32_t k = (uint32_t)cqe->user_data;
    io_uring_cqe_seen(&r->ring, cqe);
    return k;
}

double bare_read_all(struct bare_read *r, struct bare_read_way way)
{
    const uint32_t reads = r->files * (r->file_bytes / way.bytes);
    uint64_t start = tsc_now();
    for (uint32_t begun = 0, ended = 0; ended < reads; ended++) {
        for (; begun < reads && begun - ended < way.depth; begun++)
            begin_read(r, begun, way.bytes, way.depth);
        io_uring_submit(&r->ring);
        end_read(r, way.bytes, way.polls);
    }
    return tsc_ns(tsc_now() - start);
}

double bare_read_summed(struct bare_read *r)
{
    enum { DEPTH = 2, BUFFERS = 4 };
    const uint32_t bytes = BYTES_MAX, reads = r->files * (r->file_bytes / bytes);
    uint32_t sum = 0, begun = 0;
    uint64_t start = tsc_now();
    for (; begun < DEPTH && begun < reads; begun++)
        begin_read(r, begun, bytes, BUFFERS);
    io_uring_submit(&r->ring);
    for (uint32_t ended = 0; ended < reads; ended++) {
        uint32_t k = end_read(r, bytes, true);
        if (begun < reads) {
            begin_read(r, begun++, bytes, BUFFERS);
            io_uring_submit(&r->ring);
        }
        sum = crc32_iscsi(r->memory + (size_t)(k % BUFFERS) * bytes, (int)bytes, sum);
    }
    keep(&sum);
    return tsc_ns(tsc_now() - start);
}

/* Each way once, and then the first ones some times more: the least median is the best. */
static void find_best(struct bare_read *r)
{
    struct trial {
        double ns; /* first: so are they sorted */
        struct bare_read_way way;
    } trial[64];
    uint32_t n = 0;
    for (uint32_t bytes = BYTES_MAX / 4; bytes <= BYTES_MAX; bytes *= 2)
        for (uint32_t depth = 1; depth <= BARE_READ_DEPTH; depth *= 2)
            for (int polls = 0; polls < 2; polls++, n++) {
                trial[n].way = (struct bare_read_way){depth, bytes, polls != 0};
                trial[n].ns = bare_read_all(r, trial[n].way);
            }
    qsort(trial, n, sizeof trial[0], smaller);
    double ns[FINALISTS][ROUNDS];
    for (int k = 0; k < ROUNDS; k++)
        for (int i = 0; i < FINALISTS; i++)
            ns[i][k] = bare_read_all(r, trial[i].way);
    for (int i = 0; i < FINALISTS; i++) {
        qsort(ns[i], ROUNDS, sizeof ns[i][0], smaller);
        trial[i].ns = ns[i][ROUNDS / 2];
    }
    qsort(trial, FINALISTS, sizeof trial[0], smaller);
    r->best = trial[0].way;
}

void bare_read_open(struct bare_read *r, const char *dir, uint32_t files, uint32_t file_bytes)
{
    const size_t bytes = (size_t)BARE_READ_DEPTH * BYTES_MAX;
    r->files = files;
    r->file_bytes = file_bytes;
    r->memory = aligned_alloc(HUGE_BYTES, bytes);
    (void)madvise(r->memory, bytes, MADV_HUGEPAGE);
    memset(r->memory, 0, bytes);
    for (uint32_t i = 0; i < files; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/seg-%04u", dir, i);
        r->fd[i] = open(path, O_RDONLY | O_DIRECT);
        must(r->fd[i] < 0 ? -errno : 0, path);
    }
    must(io_uring_queue_init(BARE_READ_DEPTH, &r->ring, 0), "io_uring");
    must(io_uring_register_files(&r->ring, r->fd, files), "files");
    find_best(r);
}

void bare_read_close(struct bare_read *r)
{
    io_uring_queue_exit(&r->ring);
    for (uint32_t i = 0; i < r->files; i++)
        close(r->fd[i]);
    free(r->memory);
}
