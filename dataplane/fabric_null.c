/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device null: sending is free, and endless zero frames arrive. They are counted as what they are,
 * and nothing is ever delivered: it prices a stack's own work.
 */
#include "fabric_device.h"

#include <stdio.h>

/* Zero frames come from a pool of their own, whose packets nobody writes. */
#define NULL_RX_PKTS 1023
#define NULL_BYTES   64

static int null_check(struct fabric *f)
{
    return fabric_check_ports(f, f->conf.selves);
}

static int null_open(struct fabric *f)
{
    for (uint16_t i = 0; i < f->conf.selves; i++) {
        struct fabric_proc *p = &f->proc[i];
        char label[16], args[32];
        uint16_t port;
        snprintf(label, sizeof label, "p%u", p->rank);
        snprintf(args, sizeof args, "size=%d,copy=0", NULL_BYTES);
        int err = fabric_vdev(f, "net_null", label, args, &port);
        if (err == 0)
            err = fabric_single_port(f, p, port);
        if (err != 0)
            return err;
    }
    snprintf(f->text, sizeof f->text, "null (net_null, %u port%s, endless zero frames of %d bytes)",
             f->conf.selves, f->conf.selves == 1 ? "" : "s", NULL_BYTES);
    return 0;
}

const struct fabric_device_ops fabric_null = {
    .name = "null",
    .text = "sends into nothing and receives endless zero frames, for benches",
    .check = null_check,
    .open = null_open,
    .rx_pool_pkts = NULL_RX_PKTS,
};
