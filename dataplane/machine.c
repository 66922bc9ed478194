/* SPDX-License-Identifier: BSD-3-Clause */
#include "machine.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* NULL: there is no such file. */
static FILE *open_below(const char *folder, const char *name)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s%s", folder, name);
    return len > 0 && (size_t)len < sizeof path ? fopen(path, "re") : NULL;
}

/* The number behind `key`, in the first line that begins with it; "" is the first line of all. */
static bool number_in(FILE *f, const char *key, uint64_t *value)
{
    char line[256];
    bool found = false;
    while (f != NULL && !found && fgets(line, sizeof line, f) != NULL)
        found = strncmp(line, key, strlen(key)) == 0 &&
                sscanf(line + strlen(key), "%" SCNu64, value) == 1;
    if (f != NULL)
        fclose(f);
    return found;
}

/* The files of a kind of cgroup; what is cached of files can be had again. */
struct kind {
    const char *controller; /* as in /proc/self/cgroup */
    const char *folder;
    const char *limit, *used, *cached;
};

static const struct kind kinds[] = {{"", "/sys/fs/cgroup", "/memory.max", "/memory.current",
                                     "inactive_file "},
                                    {"memory", "/sys/fs/cgroup/memory", "/memory.limit_in_bytes",
                                     "/memory.usage_in_bytes", "total_inactive_file "}};

/* Of one group; a limit that says "max" is no number. */
static uint64_t left_in(const char *folder, const struct kind *k)
{
    uint64_t limit, used, cached = 0;
    if (!number_in(open_below(folder, k->limit), "", &limit) ||
        !number_in(open_below(folder, k->used), "", &used))
        return UINT64_MAX;
    (void)number_in(open_below(folder, "/memory.stat"), k->cached, &cached);
    used -= cached < used ? cached : used;
    return limit > used ? limit - used : 0;
}

/* Of our group and of all that it lies in. Inside of a container ours may be the root. */
static uint64_t left_in_groups(const char *root, const struct kind *k, const char *group)
{
    char folder[PATH_MAX];
    uint64_t least = UINT64_MAX;
    size_t top = strlen(root) + strlen(k->folder);
    int len = snprintf(folder, sizeof folder, "%s%s%s", root, k->folder, group);
    if (len < 0 || (size_t)len >= sizeof folder)
        return least;
    for (char *slash = folder + len; slash != NULL && slash >= folder + top;
         slash = strrchr(folder, '/')) {
        *slash = '\0';
        uint64_t left = left_in(folder, k);
        least = left < least ? left : least;
    }
    return least;
}

uint64_t machine_memory_left_below(const char *root)
{
    char line[PATH_MAX];
    uint64_t kib, least = UINT64_MAX;
    if (number_in(open_below(root, "/proc/meminfo"), "MemAvailable:", &kib))
        least = kib << 10;
    FILE *f = open_below(root, "/proc/self/cgroup");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controller = strchr(line, ':');
        char *group = controller != NULL ? strchr(controller + 1, ':') : NULL;
        if (group == NULL)
            continue;
        *group++ = '\0';
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
            if (strcmp(controller + 1, kinds[i].controller) == 0) {
                uint64_t left = left_in_groups(root, &kinds[i], group);
                least = left < least ? left : least;
            }
    }
    if (f != NULL)
        fclose(f);
    return least;
}

uint64_t machine_memory_left(void)
{
    return machine_memory_left_below("");
}
