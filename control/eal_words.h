/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of device.eal, for the processes that live in one OS process. */
#ifndef UPON_EAL_WORDS_H
#define UPON_EAL_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#define EAL_WORDS_MAX   32
#define EAL_WORDS_BYTES 4096

struct eal_words {
    const char *word[EAL_WORDS_MAX + 1]; /* NULL behind the last; they lie in `text` */
    uint32_t words;
    char text[EAL_WORDS_BYTES];
};

/*
 * A word with %p stands there once for each of these processes, every %p its rank: so that each OS
 * process gives DPDK its own ports and no other's. False: more words, or more bytes, than fit. Any
 * thread.
 */
bool eal_words_make(struct eal_words *w, const char *eal_args, const uint16_t *self,
                    uint16_t selves);

#endif
