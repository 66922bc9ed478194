/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of benches, in the order of their names, and main(). */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "dataplane/eal.h"

static struct bench *benches;

void bench_register(struct bench *b)
{
    struct bench **at = &benches;
    while (*at != NULL && strcmp((*at)->name, b->name) < 0)
        at = &(*at)->next;
    b->next = *at;
    *at = b;
}

int main(int argc, char **argv)
{
    int err = eal_start_light(2048);
    if (err != 0) {
        fprintf(stderr, "bench: EAL does not start: %s\n", strerror(-err));
        return 2;
    }
    return shim_main(argc, argv, benches);
}
