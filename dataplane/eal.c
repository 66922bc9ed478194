/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

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

int eal_start_light(unsigned megabytes)
{
    char memory[32], lcores[4096] = "--lcores=0@";
    snprintf(memory, sizeof memory, "%u", megabytes);
    cpu_set_text(lcores + strlen(lcores), sizeof lcores - strlen(lcores));
    const char *args[] =
        {"upon",           "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
         "--iova-mode=va", "-m",        memory,     lcores,        "--log-level=lib.eal:4"};
    char *argv[RTE_DIM(args)];
    for (size_t i = 0; i < RTE_DIM(args); i++)
        argv[i] = (char *)(uintptr_t)args[i];
    return rte_eal_init((int)RTE_DIM(args), argv) < 0 ? -rte_errno : 0;
}

struct rte_mempool *eal_pool(const char *name, unsigned count, unsigned cache, unsigned data_bytes)
{
    return rte_pktmbuf_pool_create(name, count, cache, 0,
                                   (uint16_t)(RTE_PKTMBUF_HEADROOM + data_bytes),
                                   (int)rte_socket_id());
}
