/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include "clock.h"
#include "machine.h"

#define EAL_ARGS_MAX   64
#define HUGEPAGE_BYTES (2ull << 20)
#define MEMORY_SLACK   (32ull << 20) /* EAL's own tables */
#define FREE_PAGES     "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

/* ---- what DPDK says -------------------------------------------------------------------------- */

static char last_words[256];
static bool in_hugepages;

/* Keep errors to quote them; let only what ends the process through to the terminal. */
static ssize_t log_write(void *cookie, const char *text, size_t size)
{
    (void)cookie;
    if (rte_log_cur_msg_loglevel() <= (int)RTE_LOG_CRIT)
        return (ssize_t)fwrite(text, 1, size, stderr);
    size_t keep = size < sizeof last_words ? size : sizeof last_words - 1;
    memcpy(last_words, text, keep);
    last_words[keep] = '\0';
    last_words[strcspn(last_words, "\n")] = '\0';
    return (ssize_t)size;
}

static void log_open(void)
{
    FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = log_write});
    if (f == NULL)
        return;
    setvbuf(f, NULL, _IOLBF, 1024);
    rte_openlog_stream(f);
}

const char *eal_last_words(void)
{
    return last_words[0] != '\0' ? last_words : "DPDK says nothing more";
}

/* ---- arguments ------------------------------------------------------------------------------- */

struct eal_args {
    char *argv[EAL_ARGS_MAX];
    int argc;
    char text[8192];
    size_t used;
};

static void add(struct eal_args *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct eal_args *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(a->text + a->used, sizeof a->text - a->used, format, args);
    va_end(args);
    if (a->argc == EAL_ARGS_MAX || a->used + (size_t)len >= sizeof a->text)
        rte_panic("more EAL arguments than fit\n");
    a->argv[a->argc++] = a->text + a->used;
    a->used += (size_t)len + 1;
}

/* "(0,1,5)": the processors that this thread may run on, as EAL writes sets. */
static void cpu_set_text(char *text, size_t size)
{
    cpu_set_t cpus;
    size_t at = 0;
    CPU_ZERO(&cpus);
    sched_getaffinity(0, sizeof cpus, &cpus);
    for (int cpu = 0; cpu < CPU_SETSIZE && at + 8 < size; cpu++)
        if (CPU_ISSET(cpu, &cpus))
            at += (size_t)snprintf(text + at, size - at, "%c%d", at == 0 ? '(' : ',', cpu);
    snprintf(text + at, size - at, ")");
}

static void add_lcores(struct eal_args *a, const struct eal_conf *conf)
{
    char text[4096];
    cpu_set_text(text, sizeof text);
    size_t at = strlen(text);
    for (uint16_t k = 0; k < conf->cpus && at + 16 < sizeof text; k++)
        at += (size_t)snprintf(text + at, sizeof text - at, ",%u@%u", eal_lcore(k), conf->cpu[k]);
    add(a, "--lcores=0@%s", text);
    add(a, "--main-lcore=0");
}

/* Whether so many bytes of 2 MiB pages are free and we may have them. */
static bool hugepages_usable(uint64_t bytes)
{
    unsigned long long free_pages = 0;
    FILE *f = fopen(FREE_PAGES, "re");
    if (f == NULL)
        return false;
    int got = fscanf(f, "%llu", &free_pages);
    fclose(f);
    if (got != 1 || free_pages * HUGEPAGE_BYTES < bytes)
        return false;
    int fd = memfd_create("upon", MFD_HUGETLB | MFD_HUGE_2MB | MFD_CLOEXEC);
    if (fd < 0)
        return false;
    void *page = MAP_FAILED;
    if (ftruncate(fd, HUGEPAGE_BYTES) == 0)
        page = mmap(NULL, HUGEPAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        munmap(page, HUGEPAGE_BYTES);
    close(fd);
    return page != MAP_FAILED;
}

static uint64_t reserved_bytes(const struct eal_conf *conf)
{
    return (conf->memory_bytes + MEMORY_SLACK + HUGEPAGE_BYTES - 1) / HUGEPAGE_BYTES *
           HUGEPAGE_BYTES;
}

static void add_memory(struct eal_args *a, uint64_t bytes)
{
    /* Without shared configuration no file is made, and no other DPDK process is met. */
    if (in_hugepages)
        add(a, "--in-memory");
    else {
        add(a, "--no-huge");
        add(a, "--no-shconf");
    }
    add(a, "-m");
    add(a, "%llu", (unsigned long long)(bytes >> 20));
}

void eal_prefix(char *text, size_t size, long pid)
{
    struct stat st;
    unsigned long space = stat("/proc/self/ns/pid", &st) == 0 ? (unsigned long)st.st_ino : 0;
    snprintf(text, size, "upon-%lu-%ld", space, pid);
}

void eal_runtime_folder(char *path, size_t size)
{
    const char *place = getenv("RUNTIME_DIRECTORY"), *user = getenv("XDG_RUNTIME_DIR");
    if (place == NULL)
        place = getuid() == 0 ? "/var/run" : user != NULL ? user : "/tmp";
    snprintf(path, size, "%s/dpdk", place);
}

static bool names_a_pci_device(const char *const *args)
{
    for (; args != NULL && *args != NULL; args++)
        if (strncmp(*args, "--allow", 7) == 0 || strncmp(*args, "-a", 2) == 0)
            return true;
    return false;
}

/* EAL prints its usage when it takes no argument, and standard output is our caller's alone.
 * Returns the way back, for unmute(); −1: there is none. */
static int mute(void)
{
    fflush(stdout);
    int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (out >= 0 && null >= 0)
        dup2(null, STDOUT_FILENO);
    if (null >= 0)
        close(null);
    return out;
}

static void unmute(int out)
{
    fflush(stdout);
    if (out < 0)
        return;
    dup2(out, STDOUT_FILENO);
    close(out);
}

static int start(const struct eal_conf *conf)
{
    struct eal_args a = {.argc = 0};
    add(&a, "upon");
    add_lcores(&a, conf);
    add_memory(&a, reserved_bytes(conf));
    if (!conf->telemetry)
        add(&a, "--no-telemetry");
    char prefix[EAL_PREFIX_BYTES];
    eal_prefix(prefix, sizeof prefix, getpid());
    add(&a, "--file-prefix=%s", prefix);
    if (!names_a_pci_device(conf->args)) {
        add(&a, "--no-pci");
        add(&a, "--iova-mode=va");
    }
    for (const char *const *arg = conf->args; arg != NULL && *arg != NULL; arg++)
        add(&a, "%s", *arg);
    log_open();
    rte_log_set_global_level(RTE_LOG_ERR);
    int out = mute();
    int lcores = rte_eal_init(a.argc, a.argv);
    unmute(out);
    if (lcores < 0)
        return -rte_errno;
    rmdir(rte_eal_get_runtime_dir()); /* nothing is kept there without shared configuration */
    return 0;
}

/* The kernel promises more than it has, and ends who asks for the promise. */
static int check_memory(const struct eal_conf *conf, char *why, size_t why_size)
{
    uint64_t left = machine_memory_left();
    if (in_hugepages || conf->touched_bytes <= left)
        return 0;
    snprintf(why, why_size,
             "packets take %llu MiB, and %llu MiB of memory are left: lower job.pool, job.n, "
             "job.mtu, params.instances or params.store_msgs",
             (unsigned long long)(conf->touched_bytes >> 20), (unsigned long long)(left >> 20));
    return -ENOMEM;
}

int eal_start(const struct eal_conf *conf, char *why, size_t why_size)
{
    in_hugepages = !conf->no_huge && hugepages_usable(reserved_bytes(conf));
    int err = check_memory(conf, why, why_size);
    if (err != 0)
        return err;
    err = start(conf);
    if (err != 0)
        snprintf(why, why_size,
                 "DPDK does not start with %llu MiB of %s on %u processors: %s (%s)%s",
                 (unsigned long long)(conf->memory_bytes >> 20), eal_memory_text(), conf->cpus,
                 strerror(-err), eal_last_words(),
                 conf->args != NULL && conf->args[0] != NULL ? "; look at device.eal" : "");
    clock_start(conf->tsc_hz);
    return err;
}

int eal_start_light(unsigned megabytes)
{
    const struct eal_conf conf = {.memory_bytes = (uint64_t)megabytes << 20, .no_huge = true};
    return start(&conf);
}

const char *eal_memory_text(void)
{
    return in_hugepages ? "2 MiB hugepages" : "4 KiB pages";
}

/* DPDK takes its socket away when the program exits, and leaves the folder. */
static void remove_telemetry(void)
{
    char path[512];
    const char *dir = rte_eal_get_runtime_dir();
    if (snprintf(path, sizeof path, "%s/dpdk_telemetry.v2", dir) < (int)sizeof path)
        unlink(path);
    rmdir(dir);
}

void eal_stop(void)
{
    remove_telemetry();
    rte_eal_cleanup();
}

/*
 * What a thread's cache cannot hold goes onto a stack: the packets that were used last are used
 * next. DPDK's default is a queue, which hands out the one that has rested longest: a pool then goes
 * round through all of its memory, each packet out of every cache, and at first not even mapped.
 */
static int set_ops(struct rte_mempool *pool)
{
    const char *best = rte_mbuf_best_mempool_ops();
    if (strcmp(best, "ring_mp_mc") == 0 && rte_mempool_set_ops_byname(pool, "stack", NULL) == 0)
        return 0;
    return rte_mempool_set_ops_byname(pool, best, NULL);
}

struct rte_mempool *eal_pool(const char *name, unsigned count, unsigned cache, unsigned data_bytes)
{
    struct rte_pktmbuf_pool_private conf = {.mbuf_data_room_size =
                                                (uint16_t)(RTE_PKTMBUF_HEADROOM + data_bytes)};
    /* No device addresses 4 KiB pages physically: a packet may then span two of them, which it
     * must not by default, so that each would take whole pages. */
    unsigned flags = rte_eal_has_hugepages() ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
    struct rte_mempool *pool =
        rte_mempool_create_empty(name, count,
                                 (unsigned)sizeof(struct rte_mbuf) + conf.mbuf_data_room_size,
                                 cache, sizeof conf, (int)rte_socket_id(), flags);
    if (pool == NULL)
        return NULL;
    int err = set_ops(pool);
    if (err == 0) {
        rte_pktmbuf_pool_init(pool, &conf);
        err = rte_mempool_populate_default(pool);
    }
    if (err < 0) {
        rte_mempool_free(pool);
        rte_errno = -err;
        return NULL;
    }
    rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
    return pool;
}

static void renew(struct rte_mempool *pool, void *arg, void *packet, unsigned i)
{
    rte_pktmbuf_init(pool, arg, packet, i);
    rte_mempool_put(pool, packet);
}

void eal_pool_refill(struct rte_mempool *pool)
{
    void *packet;
    while (rte_mempool_get(pool, &packet) == 0)
        ;
    rte_mempool_obj_iter(pool, renew, NULL);
}
