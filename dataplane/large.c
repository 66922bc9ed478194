/* SPDX-License-Identifier: BSD-3-Clause */
#include "large.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SMALL_PAGE_BYTES 4096u

static size_t up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

static bool is_large(size_t bytes)
{
    return bytes >= LARGE_PAGE_BYTES / 2;
}

/* The kernel aligns to small pages: map one large page more, and give back what stands over. */
void *large_map(size_t bytes, bool large)
{
    bytes = up(bytes, LARGE_PAGE_BYTES);
    size_t all = bytes + LARGE_PAGE_BYTES;
    uint8_t *m = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return NULL;
    size_t head = -(uintptr_t)m % LARGE_PAGE_BYTES;
    if (head > 0)
        (void)munmap(m, head);
    (void)munmap(m + head + bytes, LARGE_PAGE_BYTES - head);
    if (large)
        (void)madvise(m + head, bytes, MADV_HUGEPAGE);
    return m + head;
}

void *large_new(size_t bytes)
{
    if (is_large(bytes))
        return large_map(bytes, true);
    size_t room = up(bytes > 0 ? bytes : 1, SMALL_PAGE_BYTES);
    void *m = aligned_alloc(SMALL_PAGE_BYTES, room);
    return m != NULL ? memset(m, 0, room) : NULL;
}

void large_free(void *memory, size_t bytes)
{
    if (memory == NULL)
        return;
    if (is_large(bytes))
        (void)munmap(memory, up(bytes, LARGE_PAGE_BYTES));
    else
        free(memory);
}
