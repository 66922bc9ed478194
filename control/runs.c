/* SPDX-License-Identifier: BSD-3-Clause */
#include "runs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/eal.h"
#include "serve.h"

#define LISTED_MAX 8 /* runs that a sentence names */

/* ---- the folder of marks ------------------------------------------------------------------------ */

static void folder_name(char *path, size_t size)
{
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    char user[64];
    snprintf(user, sizeof user, "/run/user/%u", geteuid());
    if (xdg != NULL && xdg[0] == '/')
        snprintf(path, size, "%s/upon", xdg);
    else if (access(user, W_OK | X_OK) == 0)
        snprintf(path, size, "%s/upon", user);
    else
        snprintf(path, size, "/tmp/upon-%u", geteuid());
}

/* The folder, made if need be. It must be ours alone: in /tmp anybody may have made it. */
static int open_folder(char *path, size_t size)
{
    struct stat st;
    folder_name(path, size);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return -errno;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) != 0 || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
        close(fd);
        return -EPERM;
    }
    return fd;
}

static void absolute(const char *path, char *out, size_t size)
{
    char *real = realpath(path, NULL);
    snprintf(out, size, "%s", real != NULL ? real : path);
    free(real);
}

int runs_mark(struct runs_mark *m, const char *folder, const char *socket)
{
    char place[512], whole[RUNS_PATH_BYTES];
    m->fd = -1;
    int dir = open_folder(place, sizeof place);
    if (dir < 0)
        return dir;
    absolute(folder, whole, sizeof whole);
    const char *name = strrchr(whole, '/');
    snprintf(m->path, sizeof m->path, "%s/%.200s-%d", place, name != NULL ? name + 1 : whole,
             (int)getpid());
    (void)flock(dir, LOCK_EX); /* nobody sweeps between the next two steps */
    int fd = open(m->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err = fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 ? -errno : 0;
    if (err == 0) {
        dprintf(fd, "%s\n", whole);
        absolute(socket, whole, sizeof whole);
        dprintf(fd, "%s\n", whole);
        m->fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    close(dir);
    return err;
}

void runs_unmark(struct runs_mark *m)
{
    if (m->fd < 0)
        return;
    unlink(m->path);
    close(m->fd);
    m->fd = -1;
}

/* ---- reading marks ------------------------------------------------------------------------------ */

struct mark {
    int fd;
    bool alive;
    char folder[RUNS_PATH_BYTES];
    char socket[RUNS_PATH_BYTES];
};

static bool read_line(FILE *f, char *line, size_t size)
{
    if (fgets(line, (int)size, f) == NULL)
        return false;
    line[strcspn(line, "\n")] = '\0';
    return true;
}

/* A dead one stays locked by us until mark_close(): nobody else sweeps it meanwhile. */
static bool mark_open(struct mark *m, int dir, const char *name)
{
    m->fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (m->fd < 0)
        return false;
    m->alive = flock(m->fd, LOCK_EX | LOCK_NB) != 0;
    FILE *f = fdopen(dup(m->fd), "r");
    bool whole = f != NULL && read_line(f, m->folder, sizeof m->folder) &&
                 read_line(f, m->socket, sizeof m->socket);
    if (!whole)
        m->folder[0] = m->socket[0] = '\0';
    if (f != NULL)
        fclose(f);
    return true;
}

/* Call `each` for every mark. */
static void marks_each(void (*each)(void *ctx, int dir, const char *name, const struct mark *m),
                       void *ctx)
{
    char place[512];
    int dir = open_folder(place, sizeof place);
    DIR *d = dir >= 0 ? fdopendir(dup(dir)) : NULL;
    if (d != NULL)
        (void)flock(dir, LOCK_EX);
    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
        struct mark m;
        if (e->d_name[0] == '.' || !mark_open(&m, dir, e->d_name))
            continue;
        each(ctx, dir, e->d_name, &m);
        close(m.fd);
    }
    if (d != NULL)
        closedir(d);
    if (dir >= 0)
        close(dir);
}

/* ---- sweeping ----------------------------------------------------------------------------------- */

/* The socket, if it is one of ours that nobody listens to. */
static void sweep_mark(void *ctx, int dir, const char *name, const struct mark *m)
{
    struct stat st;
    unsigned *swept = ctx;
    if (m->alive)
        return;
    if (lstat(m->socket, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == geteuid()) {
        int fd = serve_connect(m->socket);
        if (fd >= 0)
            close(fd);
        if (fd == -ECONNREFUSED && unlink(m->socket) == 0)
            ++*swept;
    }
    if (unlinkat(dir, name, 0) == 0)
        ++*swept;
}

/* Whether the name begins as DPDK's files of an OS process of ours do that is no more. */
static bool names_the_dead(const char *name)
{
    char prefix[EAL_PREFIX_BYTES];
    const char *dash = strrchr(name, '-');
    char *end;
    long pid = dash != NULL ? strtol(dash + 1, &end, 10) : 0;
    if (pid <= 0 || (*end != '\0' && strncmp(end, "map_", 4) != 0))
        return false;
    eal_prefix(prefix, sizeof prefix, pid);
    size_t len = strlen(prefix);
    return strncmp(name, prefix, len) == 0 && name + len == end && kill((pid_t)pid, 0) != 0 &&
           errno == ESRCH;
}

static void empty_folder(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d))
        (void)unlinkat(fd, e->d_name, 0);
    if (d != NULL)
        closedir(d);
    else if (fd >= 0)
        close(fd);
}

unsigned runs_sweep_eal(const char *folder)
{
    unsigned swept = 0;
    struct stat st;
    DIR *d = opendir(folder);
    for (struct dirent *e = d != NULL ? readdir(d) : NULL; e != NULL; e = readdir(d)) {
        if (!names_the_dead(e->d_name) ||
            fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_uid != geteuid())
            continue;
        if (S_ISDIR(st.st_mode))
            empty_folder(dirfd(d), e->d_name);
        swept += unlinkat(dirfd(d), e->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) == 0;
    }
    if (d != NULL)
        closedir(d);
    return swept;
}

static unsigned sweep_hugepages(void)
{
    unsigned swept = 0;
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    for (struct mntent *e = mounts != NULL ? getmntent(mounts) : NULL; e != NULL;
         e = getmntent(mounts))
        if (strcmp(e->mnt_type, "hugetlbfs") == 0)
            swept += runs_sweep_eal(e->mnt_dir);
    if (mounts != NULL)
        endmntent(mounts);
    return swept;
}

unsigned runs_sweep(void)
{
    unsigned swept = 0;
    char folder[512];
    marks_each(sweep_mark, &swept);
    eal_runtime_folder(folder, sizeof folder);
    return swept + runs_sweep_eal(folder) + sweep_hugepages();
}

/* ---- finding ------------------------------------------------------------------------------------ */

struct search {
    const char *want; /* a folder's path or name; NULL: any */
    unsigned found;
    char socket[RUNS_PATH_BYTES];
    char names[512]; /* of the first few */
};

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void match(void *ctx, int dir, const char *name, const struct mark *m)
{
    struct search *s = ctx;
    (void)dir, (void)name;
    if (!m->alive || m->socket[0] == '\0' ||
        (s->want != NULL && strcmp(s->want, m->folder) != 0 &&
         strcmp(s->want, last_part(m->folder)) != 0))
        return;
    snprintf(s->socket, sizeof s->socket, "%s", m->socket);
    size_t at = strlen(s->names);
    if (s->found++ < LISTED_MAX)
        snprintf(s->names + at, sizeof s->names - at, "%s%s", at > 0 ? ", " : "", m->folder);
}

static bool listens(const char *socket)
{
    int fd = serve_connect(socket);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static int found(const char *socket, char *out, size_t size)
{
    snprintf(out, size, "%s", socket);
    return 0;
}

static int find_named(const char *run, char *socket, size_t size, char *why, size_t why_size)
{
    struct stat st;
    char path[RUNS_PATH_BYTES], whole[RUNS_PATH_BYTES];
    struct search s = {.want = run};
    if (stat(run, &st) == 0 && S_ISSOCK(st.st_mode))
        return found(run, socket, size);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s%s/%s", i == 0 ? "" : "runs/", run, RUNS_SOCKET);
        if (listens(path))
            return found(path, socket, size);
    }
    absolute(run, whole, sizeof whole); /* its socket may stand elsewhere */
    s.want = whole;
    marks_each(match, &s);
    if (s.found == 0) {
        s.want = run;
        marks_each(match, &s);
    }
    if (s.found == 1)
        return found(s.socket, socket, size);
    snprintf(why, why_size,
             s.found == 0 ? "%.512s: no run listens there; it has ended, or runs with "
                            "job.control=off%.0s"
                          : "%.512s: several runs bear that name: %s; give the path of one",
             run, s.names);
    return s.found == 0 ? -ENOENT : -EEXIST;
}

int runs_find(const char *run, char *socket, size_t size, char *why, size_t why_size)
{
    struct search s = {0};
    if (run != NULL)
        return find_named(run, socket, size, why, why_size);
    if (listens("runs/latest/" RUNS_SOCKET))
        return found("runs/latest/" RUNS_SOCKET, socket, size);
    marks_each(match, &s);
    if (s.found == 1)
        return found(s.socket, socket, size);
    if (s.found == 0)
        snprintf(why, why_size, "no run of yours is alive; start one with `upon run`");
    else
        snprintf(why, why_size, "%u runs are alive: %s; name the one that you mean", s.found,
                 s.names);
    return s.found == 0 ? -ENOENT : -EEXIST;
}
