/* SPDX-License-Identifier: BSD-3-Clause */
#include "board.h"

#include <sys/mman.h>

uint64_t board_bytes(const struct board *b)
{
    return (uintptr_t)board_row(b, b->n) - (uintptr_t)b;
}

struct board *board_open(uint32_t n, uint32_t blocks, uint32_t samples_max, uint32_t sample_every)
{
    struct board b = {.n = n,
                      .blocks = blocks,
                      .samples_max = samples_max,
                      .sample_every = sample_every};
    b.row_bytes = sizeof(struct board_row) + n * sizeof(struct board_source) +
                  blocks * sizeof(struct board_block) + samples_max * sizeof(struct board_sample);
    b.row_bytes = (b.row_bytes + 63) & ~(uint64_t)63;
    size_t bytes = sizeof b + 64 + n * b.row_bytes;
    struct board *at =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    at->n = b.n;
    at->blocks = b.blocks;
    at->samples_max = b.samples_max;
    at->sample_every = b.sample_every;
    at->row_bytes = b.row_bytes;
    return at;
}

void board_close(struct board *b)
{
    if (b != NULL)
        munmap(b, sizeof *b + 64 + b->n * b->row_bytes);
}
