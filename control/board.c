/* SPDX-License-Identifier: BSD-3-Clause */
#include "board.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "result.h"

uint64_t board_bytes(const struct board *b)
{
    return b->bytes;
}

static size_t whole_pages(size_t bytes)
{
    return (bytes + 4095) & ~(size_t)4095;
}

size_t board_ledger_bytes(uint32_t n, uint32_t ledger_max)
{
    return BOARD_PAST_BYTES + whole_pages((size_t)n * ledger_max * sizeof(struct board_entry));
}

bool board_lay_ledger(struct board *b, int fd)
{
    void *at = (uint8_t *)b + b->ledger_at;
    return mmap(at, board_ledger_bytes(b->n, b->ledger_max), PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == at;
}

static void *map(size_t bytes, int fd)
{
    int flags = MAP_SHARED | MAP_POPULATE | (fd < 0 ? MAP_ANONYMOUS : 0);
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    return at != MAP_FAILED ? at : NULL;
}

struct board *board_open(uint32_t n, uint32_t blocks, uint32_t samples_max, uint32_t sample_every,
                         int *fd)
{
    return board_open_ledger(n, blocks, samples_max, sample_every, 0, 0, fd);
}

struct board *board_open_extra(uint32_t n, uint32_t blocks, uint32_t samples_max,
                               uint32_t sample_every, size_t extra, int *fd)
{
    return board_open_ledger(n, blocks, samples_max, sample_every, 0, extra, fd);
}

struct board *board_open_ledger(uint32_t n, uint32_t blocks, uint32_t samples_max,
                                uint32_t sample_every, uint32_t ledger_max, size_t extra, int *fd)
{
    uint64_t row = sizeof(struct board_row) + n * sizeof(struct board_source) +
                   blocks * sizeof(struct board_block) +
                   (uint64_t)samples_max * sizeof(struct board_sample);
    row = (row + 63) & ~(uint64_t)63;
    size_t ledger_at = whole_pages(sizeof(struct board) + 64 + n * row);
    size_t rows_end = ledger_at + (ledger_max > 0 ? board_ledger_bytes(n, ledger_max) : 0);
    size_t bytes = rows_end + extra;
    if (fd != NULL) {
        *fd = memfd_create("upon-board", 0); /* without CLOEXEC: nodes inherit it */
        if (*fd < 0 || ftruncate(*fd, (off_t)bytes) != 0)
            return NULL;
    }
    struct board *b = map(bytes, fd != NULL ? *fd : -1);
    if (b == NULL)
        return NULL;
    snprintf(b->revision, sizeof b->revision, "%s", upon_revision);
    b->bytes = bytes;
    b->n = n;
    b->blocks = blocks;
    b->samples_max = samples_max;
    board_put(&b->sample_every, sample_every);
    b->ledger_max = ledger_max;
    b->ledger_at = ledger_at;
    b->row_bytes = row;
    b->extra_at = extra > 0 ? rows_end : 0;
    return b;
}

/* Whether a program of this revision made it. */
static bool fits(const struct board *b, uint64_t bytes)
{
    char revision[BOARD_REVISION_BYTES];
    snprintf(revision, sizeof revision, "%s", upon_revision);
    return b->bytes == bytes && strncmp(b->revision, revision, sizeof revision) == 0;
}

struct board *board_map(const char *path, char *why, size_t why_size)
{
    struct stat st;
    struct board *b = NULL;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(why, why_size, "%s: %s; name the board of a run that is waiting for its nodes",
                 path, strerror(errno));
    } else if (st.st_size < (off_t)sizeof *b || (b = map((size_t)st.st_size, fd)) == NULL ||
               !fits(b, (uint64_t)st.st_size)) {
        snprintf(why, why_size,
                 "%s: it is no board of this revision, %s; start nodes and run from one build",
                 path, upon_revision);
        if (b != NULL)
            munmap(b, (size_t)st.st_size);
        b = NULL;
    }
    if (fd >= 0)
        close(fd);
    return b;
}

void board_close(struct board *b)
{
    if (b != NULL)
        munmap(b, b->bytes);
}
