/* SPDX-License-Identifier: BSD-3-Clause */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/clock.h"

#define BACKLOG 128 /* newcomers that wait to be let in, in the kernel */
#define ACCEPTS 8   /* in one look */

#define CONNECT_TRIES 100 /* at a socket whose newcomers wait in a long line */

/* ---- places ------------------------------------------------------------------------------------- */

/*
 * A socket's path holds 107 bytes, which the path of a run's folder may exceed. Through a
 * descriptor of the folder the path is short, however long the folder's own.
 */
static int address_in(int folder, const char *name, struct sockaddr_un *a)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(a->sun_path, sizeof a->sun_path, "/proc/self/fd/%d/%s", folder, name);
    return (size_t)len < sizeof a->sun_path ? 0 : -ENAMETOOLONG;
}

/* The folder of a path, opened; its last component. −errno when there is no such folder. */
static int open_folder(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    if (folder == NULL)
        return -ENOMEM;
    *name = slash != NULL ? slash + 1 : path;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = errno;
    free(folder);
    return fd >= 0 ? fd : -err;
}

static int connect_in(int folder, const char *name)
{
    struct sockaddr_un a;
    int err = address_in(folder, name, &a);
    if (err != 0)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    err = -errno;
    if (fd >= 0)
        close(fd);
    return err;
}

int serve_connect(const char *path)
{
    const char *name;
    int folder = open_folder(path, &name);
    if (folder < 0)
        return folder;
    int fd = connect_in(folder, name);
    for (int i = 0; fd == -EAGAIN && i < CONNECT_TRIES; i++) {
        usleep(10000);
        fd = connect_in(folder, name);
    }
    close(folder);
    return fd;
}

/* Make room for our socket. Only a socket of our own to which nobody listens is taken away. */
static int clear_place(int folder, const char *name, const char *path, char *why, size_t why_size)
{
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(why, why_size,
                 "%.512s: something that is no socket stands there; set job.control to another "
                 "path, or off",
                 path);
        return -EEXIST;
    }
    int fd = connect_in(folder, name);
    if (fd >= 0)
        close(fd);
    if (fd != -ECONNREFUSED || st.st_uid != geteuid()) {
        snprintf(why, why_size,
                 "%.512s: another run listens there; wait for its end, or choose another place "
                 "with --out DIR",
                 path);
        return -EADDRINUSE;
    }
    return unlinkat(folder, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

/* A socket that only its owner can open, from its first moment on. */
static int bind_in(int folder, const char *name)
{
    struct sockaddr_un a;
    int err = address_in(folder, name, &a);
    if (err != 0)
        return err;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    err = fd < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) != 0 ? -errno : 0;
    umask(before);
    if (err == 0 && listen(fd, BACKLOG) != 0) {
        err = -errno;
        unlinkat(folder, name, 0);
    }
    if (err == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return err;
}

static int listen_at(struct serve *s, const char *path, char *why, size_t why_size)
{
    const char *name;
    struct stat st;
    int folder = open_folder(path, &name);
    if (folder < 0) {
        snprintf(why, why_size, "%.512s: %s; set job.control to another path, or off", path,
                 strerror(-folder));
        return folder;
    }
    s->folder = folder;
    if (name[0] == '\0' || strlen(name) >= sizeof s->name) {
        snprintf(why, why_size,
                 "%.512s: a socket's name has 1 to %d bytes in its folder; set job.control to "
                 "a shorter one",
                 path, SERVE_NAME_BYTES_MAX - 1);
        return -ENAMETOOLONG;
    }
    (void)flock(folder, LOCK_EX); /* of two that start here at once the second finds the first */
    int err = clear_place(folder, name, path, why, why_size);
    if (err == 0) {
        s->listen = bind_in(folder, name);
        err = s->listen < 0 ? s->listen : 0;
        if (err != 0)
            snprintf(why, why_size,
                     "%.512s: no socket can be made there: %s; set job.control to another path, or "
                     "off",
                     path, strerror(-err));
    }
    (void)flock(folder, LOCK_UN);
    if (err != 0)
        return err;
    snprintf(s->name, sizeof s->name, "%s", name);
    s->ino = fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
    return 0;
}

/* ---- opening ------------------------------------------------------------------------------------ */

int serve_open(struct serve *s, const sigset_t *signals)
{
    *s = (struct serve){.listen = -1, .folder = -1};
    for (uint32_t c = 0; c < SERVE_CLIENTS_MAX; c++)
        s->client[c].fd = -1;
    s->signals = signalfd(-1, signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return s->signals >= 0 ? 0 : -errno;
}

int serve_listen(struct serve *s, const char *path, const struct serve_user *user, char *why,
                 size_t why_size)
{
    int err = listen_at(s, path, why, why_size);
    s->user = *user;
    if (err == 0)
        return 0;
    if (s->folder >= 0)
        close(s->folder);
    s->folder = s->listen = -1;
    return err;
}

/* ---- clients ------------------------------------------------------------------------------------ */

static void drop(struct serve *s, uint32_t c)
{
    struct serve_client *k = &s->client[c];
    if (k->asked)
        s->user.gone(s->user.ctx, c);
    close(k->fd);
    free(k->in);
    free(k->out);
    *k = (struct serve_client){.fd = -1};
}

static bool has_line(const struct serve_client *k)
{
    return k->in_len > 0 && memchr(k->in, '\n', k->in_len) != NULL;
}

/* Write what the socket takes. What is left keeps the client's next request waiting. */
static void write_out(struct serve *s, uint32_t c, uint64_t now)
{
    struct serve_client *k = &s->client[c];
    while (k->out_at < k->out_len) {
        ssize_t did = send(k->fd, k->out + k->out_at, k->out_len - k->out_at, MSG_NOSIGNAL);
        if (did < 0 && errno == EINTR)
            continue;
        if (did < 0 && errno == EAGAIN)
            return;
        if (did <= 0) {
            drop(s, c);
            return;
        }
        k->out_at += (size_t)did;
        k->until_ns = now + SERVE_PATIENCE_NS;
    }
    free(k->out);
    k->out = NULL;
    k->out_len = k->out_at = 0;
    k->until_ns = k->in_len > 0 ? now + SERVE_PATIENCE_NS : 0;
    if (k->leaving || (k->ended && !has_line(k)))
        drop(s, c);
}

/* Take over the text as the client's answer. */
static void answer(struct serve *s, uint32_t c, char *text)
{
    struct serve_client *k = &s->client[c];
    k->asked = false;
    if (text == NULL) {
        drop(s, c);
        return;
    }
    k->out = text;
    k->out_len = strlen(text);
    k->out_at = 0;
    uint64_t now = clock_now_ns();
    k->until_ns = now + SERVE_PATIENCE_NS;
    write_out(s, c, now);
}

void serve_answer(struct serve *s, uint32_t client, const char *text)
{
    if (client >= SERVE_CLIENTS_MAX || s->client[client].fd < 0 || !s->client[client].asked)
        return;
    answer(s, client,
           strlen(text) < SERVE_ANSWER_BYTES ? strdup(text)
                                             : s->user.error("the answer is too long to be sent"));
}

/* Tell what is wrong, once, and take leave. */
static void dismiss(struct serve *s, uint32_t c, const char *sentence)
{
    s->refused++;
    s->client[c].in_len = 0;
    s->client[c].leaving = true;
    answer(s, c, s->user.error(sentence));
}

/* The line that the buffer begins with, if it is whole. Whether there was one. */
static bool take_line(struct serve *s, uint32_t c)
{
    struct serve_client *k = &s->client[c];
    if (k->fd < 0 || k->asked || k->leaving || k->out_len > 0 || k->in_len == 0)
        return false;
    char *end = memchr(k->in, '\n', k->in_len);
    if (end == NULL) {
        if (k->in_len >= SERVE_LINE_BYTES)
            dismiss(s, c, "a request is one line of at most 65536 bytes");
        return false;
    }
    char *line = k->in;
    size_t len = (size_t)(end - line), rest = k->in_len - len - 1;
    k->in = NULL;
    k->in_len = k->in_room = 0;
    if (rest > 0) {
        k->in = malloc(SERVE_LINE_BYTES);
        if (k->in != NULL) {
            memcpy(k->in, end + 1, rest);
            k->in_len = rest;
            k->in_room = SERVE_LINE_BYTES;
        }
    }
    k->asked = true;
    k->until_ns = 0; /* whoever carries the request out has a bound of their own */
    if (len > 0 && line[len - 1] == '\r')
        len--;
    s->user.request(s->user.ctx, s, c, line, len);
    free(line);
    return true;
}

static void read_in(struct serve *s, uint32_t c, uint64_t now)
{
    struct serve_client *k = &s->client[c];
    if (k->in == NULL) {
        k->in = malloc(SERVE_LINE_BYTES);
        k->in_room = SERVE_LINE_BYTES;
    }
    size_t room = k->in != NULL ? k->in_room - k->in_len : 0;
    ssize_t got = room > 0 ? recv(k->fd, k->in + k->in_len,
                                  room < SERVE_READ_BYTES ? room : SERVE_READ_BYTES, 0)
                           : 0;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got == 0 && has_line(k)) {
        k->ended = true;
        return;
    }
    if (got <= 0) {
        drop(s, c);
        return;
    }
    if (k->in_len == 0)
        k->until_ns = now + SERVE_PATIENCE_NS;
    k->in_len += (size_t)got;
}

/* ---- newcomers ---------------------------------------------------------------------------------- */

static bool may_speak(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* One sentence to who is not heard. The socket is new: it takes it whole, or the peer is gone. */
static void turn_away(struct serve *s, int fd, const char *sentence)
{
    char *text = s->user.error(sentence);
    if (text != NULL)
        (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
    free(text);
    close(fd);
    s->refused++;
}

static void let_in(struct serve *s, int fd)
{
    uint32_t c = 0;
    while (c < SERVE_CLIENTS_MAX && s->client[c].fd >= 0)
        c++;
    if (!may_speak(fd))
        turn_away(s, fd, "only the user that started the run, and root, are heard");
    else if (c == SERVE_CLIENTS_MAX)
        turn_away(s, fd, "64 clients are connected; close one of them");
    else
        s->client[c] = (struct serve_client){.fd = fd};
}

static void let_all_in(struct serve *s)
{
    for (int i = 0; i < ACCEPTS; i++) {
        int fd = accept4(s->listen, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        let_in(s, fd);
    }
}

/* ---- waiting ------------------------------------------------------------------------------------ */

struct polled {
    struct pollfd fd[SERVE_CLIENTS_MAX + 2];
    uint32_t client[SERVE_CLIENTS_MAX + 2];
    uint32_t count;
};

static void poll_add(struct polled *p, int fd, short events, uint32_t client)
{
    p->fd[p->count] = (struct pollfd){.fd = fd, .events = events};
    p->client[p->count++] = client;
}

/* Whom to look at, between rounds only the signals; and when to wake at the latest. */
static uint64_t prepare(struct serve *s, struct polled *p, uint64_t now, uint64_t wake)
{
    p->count = 0;
    poll_add(p, s->signals, POLLIN, 0);
    if (s->listen < 0)
        return wake;
    if (now < s->round_ns)
        return s->round_ns < wake ? s->round_ns : wake;
    poll_add(p, s->listen, POLLIN, 0);
    for (uint32_t i = 0; i < SERVE_CLIENTS_MAX; i++) {
        uint32_t c = (s->first + i) % SERVE_CLIENTS_MAX;
        const struct serve_client *k = &s->client[c];
        if (k->fd < 0)
            continue;
        short events = k->out_len > 0 ? POLLOUT : k->asked || k->ended ? 0 : POLLIN;
        poll_add(p, k->fd, events, c);
        if (k->until_ns != 0 && k->until_ns < wake)
            wake = k->until_ns;
        if (!k->asked && k->out_len == 0 && k->in_len > 0 && memchr(k->in, '\n', k->in_len) != NULL)
            wake = now; /* the next request is here already */
    }
    return wake;
}

static void look_at(struct serve *s, uint32_t c, short events, uint64_t now)
{
    struct serve_client *k = &s->client[c];
    if (events & POLLOUT)
        write_out(s, c, now);
    else if (events & POLLIN)
        read_in(s, c, now);
    else if (events & (POLLHUP | POLLERR | POLLNVAL))
        drop(s, c);
    if (k->fd >= 0 && k->until_ns != 0 && now >= k->until_ns) {
        if (k->out_len > 0) { /* it does not read: there is no use in telling it */
            s->refused++;
            drop(s, c);
        } else {
            dismiss(s, c, "the request was begun and not ended within 5 s");
        }
    }
}

/* One look at the clients. The one after the last that was heard is the first in the next. */
static void serve_round(struct serve *s, const struct polled *p, uint64_t now)
{
    uint32_t did = 0;
    if (p->fd[1].revents != 0) {
        let_all_in(s);
        did++;
    }
    for (uint32_t i = 2; i < p->count && did < SERVE_ROUND_READS; i++) {
        uint32_t c = p->client[i];
        look_at(s, c, p->fd[i].revents, now);
        if (take_line(s, c) || p->fd[i].revents != 0) {
            did++;
            s->first = (c + 1) % SERVE_CLIENTS_MAX;
        }
    }
    if (did > 0)
        s->round_ns = now + SERVE_ROUND_NS;
}

static int take_signal(struct serve *s)
{
    struct signalfd_siginfo info;
    if (read(s->signals, &info, sizeof info) != sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

int serve_wait(struct serve *s, uint64_t until_ns)
{
    for (;;) {
        struct polled p;
        uint64_t now = clock_now_ns(), wake = until_ns;
        if (s->listen >= 0) {
            uint64_t look = s->user.look(s->user.ctx, s, now);
            wake = look < wake ? look : wake;
        }
        if (s->interrupted) {
            s->interrupted = false;
            return SIGINT;
        }
        if (now >= until_ns)
            return 0;
        wake = prepare(s, &p, now, wake);
        uint64_t left = wake > now ? wake - now : 0;
        const struct timespec t = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        if (ppoll(p.fd, p.count, &t, NULL) < 0)
            continue;
        int signal = p.fd[0].revents != 0 ? take_signal(s) : 0;
        if (signal > 0)
            return signal;
        if (p.count > 1)
            serve_round(s, &p, clock_now_ns());
    }
}

void serve_interrupt(struct serve *s)
{
    s->interrupted = true;
}

/* ---- closing ------------------------------------------------------------------------------------ */

void serve_close(struct serve *s)
{
    struct stat st;
    for (uint32_t c = 0; c < SERVE_CLIENTS_MAX; c++)
        if (s->client[c].fd >= 0)
            drop(s, c);
    if (s->listen >= 0) {
        if (fstatat(s->folder, s->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == s->ino)
            unlinkat(s->folder, s->name, 0);
        close(s->listen);
        close(s->folder);
    }
    if (s->signals >= 0)
        close(s->signals);
    s->listen = s->folder = s->signals = -1;
}
