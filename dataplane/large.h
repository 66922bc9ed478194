/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Memory for tables that are looked into at random. Where such a table is larger than the caches,
 * every look in pages of 4 KiB costs a second one, into the page tables; so from half a large page
 * (2 MiB) on it lies in large pages, where the kernel has some to give, and else as it comes.
 */
#ifndef UPON_LARGE_H
#define UPON_LARGE_H

#include <stdbool.h>
#include <stddef.h>

#define LARGE_PAGE_BYTES (2u << 20)

/* Zeroed, aligned to a page of 4 KiB at least; large_free() ends it. NULL: no memory. Any thread. */
void *large_new(size_t bytes);

/* The same, aligned to a large page, of small ones if not `large`: none is there before it is used. */
void *large_map(size_t bytes, bool large);

/* `bytes` as at its making. NULL is allowed. */
void large_free(void *memory, size_t bytes);

#endif
