/* SPDX-License-Identifier: BSD-3-Clause */
/* `upon doctor`: what this machine lacks for a run, or for an honest one, and what to do about it. */
#include <argp.h>
#include <errno.h>
#include <glob.h>
#include <liburing.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <rte_version.h>

#include "dataplane/fabric.h"
#include "dataplane/machine.h"
#include "verbs.h"

#define MEMORY_LEAST_MIB 512
#define HUGEPAGES_WANTED 128         /* of 2 MiB: three processes over ring */
#define MEMLOCK_WANTED   (64l << 20) /* buffers registered with the kernel */
#define DRIVERS          "/usr/lib/*/dpdk/pmds-*/librte_net_ring.so*"

enum health { WELL, LACKS, CANNOT };

/* What one look found: a line, and for a shortcoming the command to paste. */
struct finding {
    enum health health;
    char text[256];
    const char *remedy;
};

static struct finding found(enum health health, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static struct finding found(enum health health, const char *remedy, const char *format, ...)
{
    struct finding f = {.health = health, .remedy = health != WELL ? remedy : NULL};
    va_list args;
    va_start(args, format);
    vsnprintf(f.text, sizeof f.text, format, args);
    va_end(args);
    return f;
}

/* The first line of a file, without its newline; "" if there is none. */
static const char *line_of(const char *path, char *line, size_t size)
{
    FILE *f = fopen(path, "re");
    line[0] = '\0';
    if (f == NULL)
        return line;
    if (fgets(line, (int)size, f) == NULL)
        line[0] = '\0';
    fclose(f);
    line[strcspn(line, "\n")] = '\0';
    return line;
}

/* What follows `key` in the first line of a file that begins with it. */
static const char *value_of(const char *path, const char *key, char *line, size_t size)
{
    FILE *f = fopen(path, "re");
    const char *value = "";
    while (f != NULL && fgets(line, (int)size, f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0) {
            value = line + strlen(key);
            break;
        }
    if (f != NULL)
        fclose(f);
    return value;
}

/* ---- one look each --------------------------------------------------------------------------- */

static struct finding processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    int n = CPU_COUNT(&set);
    return found(n > 1 ? WELL : LACKS, "taskset -c 0-$(($(nproc --all) - 1)) build/upon run",
                 "%d may be used%s", n,
                 n > 1 ? ": one for each process, as far as they go"
                       : ": all processes will share it, breath by breath");
}

static struct finding isolation(void)
{
    char line[128];
    line_of("/sys/devices/system/cpu/isolated", line, sizeof line);
    if (line[0] != '\0')
        return found(WELL, NULL, "isolated: %s", line);
    if (sysconf(_SC_NPROCESSORS_CONF) < 2)
        return found(WELL, NULL, "there is one processor: the system needs it");
    return found(LACKS,
                 "sudo sed -i \"s/^GRUB_CMDLINE_LINUX=./&isolcpus=1-$(($(nproc --all) - 1)) /\" "
                 "/etc/default/grub && sudo update-grub && sudo reboot",
                 "none is kept free of other work: high percentiles will show the scheduler");
}

static struct finding governor(void)
{
    char line[64];
    line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", line, sizeof line);
    bool well = line[0] == '\0' || strcmp(line, "performance") == 0;
    return found(well ? WELL : LACKS,
                 "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/"
                 "scaling_governor",
                 "%s", line[0] != '\0' ? line : "not ours to change");
}

static struct finding clock_source(void)
{
    char line[8192];
    const char *flags = value_of("/proc/cpuinfo", "flags", line, sizeof line);
    bool constant = strstr(flags, " constant_tsc") != NULL;
    bool nonstop = strstr(flags, " nonstop_tsc") != NULL;
    return found(constant && nonstop ? WELL : LACKS,
                 "lscpu | grep -i tsc   # then choose another machine, or CPU type of the guest",
                 "%s",
                 constant && nonstop ? "invariant: one clock for all processors"
                                     : "not invariant: compare no times of different "
                                       "processors");
}

static struct finding instructions(void)
{
    char line[8192];
    bool well = strstr(value_of("/proc/cpuinfo", "flags", line, sizeof line), " sse4_2") != NULL;
    return found(well ? WELL : CANNOT, "lscpu   # DPDK needs SSE4.2: choose another machine", "%s",
                 well ? "SSE4.2" : "no SSE4.2");
}

static struct finding memory(void)
{
    uint64_t left = machine_memory_left();
    if (left == UINT64_MAX)
        return found(WELL, NULL, "not told");
    return found(left >> 20 >= MEMORY_LEAST_MIB ? WELL : CANNOT,
                 "build/upon run --set job.n=3 --set params.instances=1024 --set "
                 "params.store_msgs=1024 --set job.pool=5120",
                 "%llu MiB left, of the machine and of our cgroup's limit",
                 (unsigned long long)(left >> 20));
}

static struct finding hugepages(void)
{
    char line[64];
    long n = atol(
        line_of("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", line, sizeof line));
    long large = atol(
        line_of("/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", line, sizeof line));
    return found(n >= HUGEPAGES_WANTED ? WELL : LACKS, "sudo sysctl -w vm.nr_hugepages=256",
                 "%ld of 2 MiB free%s%s", n,
                 n >= HUGEPAGES_WANTED ? "" : ": runs work without, a little slower",
                 large > 0 ? "; those of 1 GiB are not used" : "");
}

static struct finding memlock(void)
{
    struct rlimit limit = {0};
    getrlimit(RLIMIT_MEMLOCK, &limit);
    bool well =
        geteuid() == 0 || limit.rlim_cur == RLIM_INFINITY || (long)limit.rlim_cur >= MEMLOCK_WANTED;
    if (limit.rlim_cur == RLIM_INFINITY)
        return found(WELL, NULL, "unlimited");
    return found(well ? WELL : LACKS,
                 "echo '* - memlock unlimited' | sudo tee /etc/security/limits.d/upon.conf   "
                 "# and log in again",
                 "%llu KiB%s", (unsigned long long)limit.rlim_cur >> 10,
                 well ? "" : ": too little for AF_XDP, VFIO and large logs");
}

static struct finding kernel(void)
{
    struct utsname u;
    int major = 0, minor = 0;
    uname(&u);
    bool well = sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
                (major > 5 || (major == 5 && minor >= 10));
    return found(well ? WELL : LACKS, "sudo apt-get install linux-image-amd64", "%s %s%s",
                 u.sysname, u.release, well ? "" : ": tested from 5.10 on");
}

static struct finding dpdk(void)
{
    glob_t g = {0};
    bool drivers = glob(DRIVERS, 0, NULL, &g) == 0;
    globfree(&g);
    return found(drivers ? WELL : CANNOT, "sudo apt-get install libdpdk-dev", "%s%s", rte_version(),
                 drivers ? "" : ", without its drivers");
}

static struct finding uring(void)
{
    struct io_uring ring;
    int err = io_uring_queue_init(4, &ring, 0);
    if (err == 0)
        io_uring_queue_exit(&ring);
    return found(err == 0 ? WELL : LACKS, "sudo sysctl -w kernel.io_uring_disabled=0",
                 "liburing %s, io_uring %s", UPON_LIBURING_VERSION,
                 err == 0 ? "works" : strerror(-err));
}

static struct finding rights(void)
{
    bool well = fabric_may(CAP_NET_ADMIN) && fabric_may(CAP_NET_RAW);
    return found(well ? WELL : LACKS, "sudo setcap cap_net_raw,cap_net_admin+ep build/upon",
                 "%s, %s", geteuid() == 0 ? "root" : "an ordinary user",
                 well ? "all devices" : "all devices but af_packet and tap");
}

static struct finding interfaces(void)
{
    char names[200] = "";
    struct if_nameindex *list = if_nameindex();
    for (struct if_nameindex *i = list; i != NULL && i->if_index != 0; i++) {
        size_t at = strlen(names);
        snprintf(names + at, sizeof names - at, "%s%s", at > 0 ? " " : "", i->if_name);
    }
    if_freenameindex(list);
    return found(WELL, NULL, "%s", names[0] != '\0' ? names : "none");
}

static struct finding tap(void)
{
    bool well = access("/dev/net/tun", R_OK | W_OK) == 0;
    return found(well ? WELL : LACKS, "sudo modprobe tun", "/dev/net/tun: %s",
                 well ? "ours to use" : strerror(errno));
}

static struct finding nics(void)
{
    glob_t g = {0};
    size_t n = glob("/sys/bus/pci/drivers/vfio-pci/0*", 0, NULL, &g) == 0 ? g.gl_pathc : 0;
    globfree(&g);
    return found(WELL, NULL, "%zu bound to vfio-pci for device eal%s", n,
                 n > 0 ? "" : " (dpdk-devbind.py -b vfio-pci ADDRESS, where there is one)");
}

static const struct look {
    const char *name;
    struct finding (*look)(void);
} looks[] = {
    {"processors", processors},
    {"isolation", isolation},
    {"governor", governor},
    {"TSC", clock_source},
    {"instructions", instructions},
    {"memory", memory},
    {"hugepages", hugepages},
    {"memlock", memlock},
    {"kernel", kernel},
    {"DPDK", dpdk},
    {"io_uring", uring},
    {"rights", rights},
    {"interfaces", interfaces},
    {"tap", tap},
    {"NICs", nics},
};

int doctor_main(int argc, char **argv)
{
    static const struct argp argp = {
        .doc = "Look at cores, memory, clock, interfaces, versions and rights. Status 0: a run is "
               "possible.\vok: nothing to do.  --: works, less well.  NO: no run before that."};
    static const char *const marks[] = {[WELL] = "ok", [LACKS] = "--", [CANNOT] = "NO"};
    unsigned lacks = 0, cannot = 0;
    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    for (size_t i = 0; i < sizeof looks / sizeof looks[0]; i++) {
        struct finding f = looks[i].look();
        printf("%s  %-13s %s\n", marks[f.health], looks[i].name, f.text);
        if (f.remedy != NULL)
            printf("      $ %s\n", f.remedy);
        lacks += f.health == LACKS;
        cannot += f.health == CANNOT;
    }
    if (cannot > 0)
        printf("\nA run is not possible yet: see NO above.\n");
    else if (lacks > 0)
        printf("\nRuns are possible. %u thing%s could be better.\n", lacks, lacks == 1 ? "" : "s");
    else
        printf("\nRuns are possible, and nothing is in their way.\n");
    return cannot > 0 ? 2 : 0;
}
