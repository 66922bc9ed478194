/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_held.h"

#include <errno.h>

#include "dataplane/env.h"

static struct disk_held *held_disk_of(struct disk *d)
{
    return (struct disk_held *)d;
}

static uint64_t now_ns(const struct disk_held *d)
{
    return d->clock->ops->now(d->clock);
}

static void held_write(struct disk *disk, uint32_t slot, uint64_t offset, uint32_t buffer,
                       uint32_t from, uint32_t bytes)
{
    struct disk_held *d = held_disk_of(disk);
    d->write[d->writes++] =
        (struct disk_held_write){.due_ns = now_ns(d) + random_u64(&d->random) % (d->most_ns + 1),
                                 .offset = offset,
                                 .slot = slot,
                                 .buffer = buffer,
                                 .from = from,
                                 .bytes = bytes};
}

/* Hand on what is due. */
static void held_submit(struct disk *disk)
{
    struct disk_held *d = held_disk_of(disk);
    uint32_t left = 0, before = d->writes;
    uint64_t now = before > 0 ? now_ns(d) : 0;
    for (uint32_t i = 0; i < before; i++) {
        const struct disk_held_write w = d->write[i];
        if (w.due_ns <= now)
            d->over.below->ops->write(d->over.below, w.slot, w.offset, w.buffer, w.from, w.bytes);
        else
            d->write[left++] = w;
    }
    d->writes = left;
    if (left < before)
        d->over.below->ops->submit(d->over.below);
}

static uint32_t held_reap(struct disk *disk, struct disk_done *done, uint32_t n)
{
    struct disk *below = held_disk_of(disk)->over.below;
    held_submit(disk);
    return below->ops->reap(below, done, n);
}

static const struct disk_ops held_ops = {.write = held_write,
                                         .submit = held_submit,
                                         .reap = held_reap};

int disk_held_init(struct disk_held *d, struct disk *below, uint64_t most_ns, uint64_t seed,
                   struct env *clock)
{
    if (below->buffer_count > DISK_HELD_BUFFERS_MAX)
        return -E2BIG;
    *d = (struct disk_held){.clock = clock, .most_ns = most_ns, .random = random_seeded(seed, 0)};
    disk_over_init(&d->over, below, &held_ops);
    return 0;
}
