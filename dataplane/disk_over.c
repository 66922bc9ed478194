/* SPDX-License-Identifier: BSD-3-Clause */
#include "disk_over.h"

#include <stddef.h>

static struct disk *below_of(struct disk *d)
{
    return ((struct disk_over *)d)->below;
}

static void over_write(struct disk *d, uint32_t slot, uint64_t offset, uint32_t buffer,
                       uint32_t from, uint32_t bytes)
{
    below_of(d)->ops->write(below_of(d), slot, offset, buffer, from, bytes);
}

static void over_submit(struct disk *d)
{
    below_of(d)->ops->submit(below_of(d));
}

static uint32_t over_reap(struct disk *d, struct disk_done *done, uint32_t n)
{
    return below_of(d)->ops->reap(below_of(d), done, n);
}

static int64_t over_read(struct disk *d, uint32_t slot, uint64_t offset, void *to, uint32_t bytes)
{
    return below_of(d)->ops->read(below_of(d), slot, offset, to, bytes);
}

static void over_read_begin(struct disk *d, uint32_t slot, uint64_t offset, void *to,
                            uint32_t bytes)
{
    below_of(d)->ops->read_begin(below_of(d), slot, offset, to, bytes);
}

static int64_t over_read_end(struct disk *d)
{
    return below_of(d)->ops->read_end(below_of(d));
}

static int over_flush(struct disk *d)
{
    return below_of(d)->ops->flush(below_of(d));
}

static int over_write_super(struct disk *d, const void *block)
{
    return below_of(d)->ops->write_super(below_of(d), block);
}

static int over_read_super(struct disk *d, int copy, void *block)
{
    return below_of(d)->ops->read_super(below_of(d), copy, block);
}

static void over_close(struct disk *d)
{
    below_of(d)->ops->close(below_of(d));
}

#define OWN_OR_OVER(op) (own->op != NULL ? own->op : over_##op)
#define IF_BELOW(op)    (below->ops->op != NULL ? OWN_OR_OVER(op) : NULL)

void disk_over_init(struct disk_over *o, struct disk *below, const struct disk_ops *own)
{
    *o = (struct disk_over){.disk = *below,
                            .below = below,
                            .ops = {.write = OWN_OR_OVER(write),
                                    .submit = OWN_OR_OVER(submit),
                                    .reap = OWN_OR_OVER(reap),
                                    .read = OWN_OR_OVER(read),
                                    .read_begin = IF_BELOW(read_begin),
                                    .read_end = IF_BELOW(read_end),
                                    .flush = IF_BELOW(flush),
                                    .write_super = OWN_OR_OVER(write_super),
                                    .read_super = OWN_OR_OVER(read_super),
                                    .close = OWN_OR_OVER(close)}};
    o->disk.ops = &o->ops;
}
