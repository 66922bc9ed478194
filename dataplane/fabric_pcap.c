/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Device pcap: DPDK's rings between the processes of one OS process, and everything that a process
 * sends is also written to its file, by the thread that sends it. Frames have all their headers.
 * For looking at them, not for speed.
 */
#include "fabric_device.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCAP_HEADER_BYTES 24

static int file_name(struct fabric *f, uint16_t rank, char *name, size_t size)
{
    if (!fabric_name(f, rank, name, size))
        return fabric_refuse_key(f, "device.args", EINVAL,
                                 "device.args = \"%s\": names no file: set it to one such as "
                                 "p%%p.pcap, without blank, comma or equals sign",
                                 f->conf.args != NULL ? f->conf.args : "");
    return 0;
}

/* Whether the file is there for us to write, or can be made. */
static bool writable(const char *name)
{
    char folder[PATH_MAX];
    struct stat st;
    if (stat(name, &st) == 0) {
        errno = S_ISDIR(st.st_mode) ? EISDIR : EACCES;
        return !S_ISDIR(st.st_mode) && access(name, W_OK) == 0;
    }
    const char *slash = strrchr(name, '/');
    snprintf(folder, sizeof folder, "%.*s", slash != NULL ? (int)(slash - name + 1) : 1,
             slash != NULL ? name : ".");
    return access(folder, W_OK | X_OK) == 0;
}

static int pcap_check(struct fabric *f)
{
    char name[PATH_MAX];
    int err = fabric_check_together(f, FABRIC_NET_RING_PROCS_MAX);
    for (uint16_t i = 0; i < f->conf.selves && err == 0; i++) {
        err = file_name(f, f->conf.self[i], name, sizeof name);
        if (err != 0)
            return err;
        if (f->conf.selves > 1 && strstr(f->conf.args, "%p") == NULL)
            return fabric_refuse_key(f, "device.args", EINVAL,
                                     "device.args = \"%s\": %u processes write a file each: "
                                     "put %%p where the rank belongs",
                                     f->conf.args, f->conf.selves);
        if (!writable(name))
            return fabric_refuse_key(f, "device.args", errno,
                                     "device pcap: %s cannot be written: %s: name another file",
                                     name, strerror(errno));
    }
    return err;
}

/* What leads from one process here to another: fabric_net_ring_open() has made them. */
static struct env_capture *capture_new(const struct fabric *f, uint16_t i)
{
    const uint16_t m = f->conf.selves;
    struct env_capture *c = calloc(1, sizeof *c + f->conf.n * sizeof c->ring[0]);
    for (uint16_t k = 0; c != NULL && k < m; k++)
        c->ring[f->proc[k].rank] = f->ring[i * m + k];
    if (c != NULL)
        c->bytes = PCAP_HEADER_BYTES;
    return c;
}

static int pcap_open(struct fabric *f)
{
    int err = fabric_net_ring_open(f);
    for (uint16_t i = 0; i < f->conf.selves && err == 0; i++) {
        struct fabric_proc *p = &f->proc[i];
        char name[PATH_MAX], label[16], args[PATH_MAX + 16];
        err = file_name(f, p->rank, name, sizeof name);
        snprintf(label, sizeof label, "p%u", p->rank);
        snprintf(args, sizeof args, "tx_pcap=%s", name);
        struct env_capture *c = err == 0 ? capture_new(f, i) : NULL;
        if (c == NULL)
            return err != 0 ? err : fabric_refuse(f, ENOMEM, "out of memory for the fabric");
        p->env->capture = c;
        err = fabric_vdev(f, "net_pcap", label, args, &c->to.port);
        if (err == 0)
            err = fabric_port_start(f, c->to.port, 1, 1, p->rx_pool);
    }
    snprintf(f->text, sizeof f->text, "pcap (net_ring, %u ports; net_pcap writes %s)", f->conf.n,
             f->conf.args);
    return err;
}

/* net_pcap looks at no error when it writes, but writes all of a burst at once: so a file of which
 * something is missing is too short. What is no file cannot be asked. */
static bool pcap_whole(const struct fabric *f, char *why, size_t why_size)
{
    for (uint16_t i = 0; i < f->conf.selves; i++) {
        const struct fabric_proc *p = &f->proc[i];
        char name[PATH_MAX];
        struct stat st;
        if (!fabric_expand(f->conf.args, p->rank, name, sizeof name) ||
            (stat(name, &st) == 0 && !S_ISREG(st.st_mode)))
            continue;
        uint64_t have = stat(name, &st) == 0 ? (uint64_t)st.st_size : 0;
        if (have >= p->env->capture->bytes)
            continue;
        snprintf(why, why_size, "%.160s is cut short: it has %llu of %llu bytes; is the disk full?",
                 name, (unsigned long long)have, (unsigned long long)p->env->capture->bytes);
        return false;
    }
    return true;
}

const struct fabric_device_ops fabric_pcap = {
    .name = "pcap",
    .text = "as ring, and every frame sent is written to a capture file for each process",
    .check = pcap_check,
    .open = pcap_open,
    .whole = pcap_whole,
};
