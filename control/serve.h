/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control thread's event loop: it sleeps until a time, a signal, or a client of the run's Unix
 * socket. A client sends lines and is answered with lines; what they say is not known here
 * (request.h).
 *
 * Nothing here blocks, and every bound stands below: how many clients, how long a line, how much
 * waits for a client that does not read, how long it may take, and how many requests are looked at
 * in how much time, since this thread may share its processor with a process. A client has one
 * request under way at a time; the next one stays in its socket until that is answered and the
 * answer is taken. Only the user that runs us, and root, are heard.
 */
#ifndef UPON_SERVE_H
#define UPON_SERVE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVE_CLIENTS_MAX    64
#define SERVE_LINE_BYTES     65536
#define SERVE_ANSWER_BYTES   (4u << 20)    /* longest answer */
#define SERVE_PATIENCE_NS    5000000000ull /* for a line that was begun, an answer not taken */
#define SERVE_ROUND_NS       2000000       /* from one look at the clients to the next */
#define SERVE_ROUND_READS    8             /* reads in one look */
#define SERVE_READ_BYTES     16384
#define SERVE_NAME_BYTES_MAX 80 /* of a socket's name in its folder */

struct serve;

/* Who understands the lines. */
struct serve_user {
    void *ctx;
    /* A line, without its end, that is no string: it may hold any byte. Answer it with
     * serve_answer(), now or later. */
    void (*request)(void *ctx, struct serve *s, uint32_t client, const char *line, size_t len);
    /* The client is gone: answer it no more. */
    void (*gone)(void *ctx, uint32_t client);
    /* Look after what takes time; before each sleep. Returns when to be called again, at the
     * latest; UINT64_MAX: need not be. */
    uint64_t (*look)(void *ctx, struct serve *s, uint64_t now_ns);
    /* An error in the form of an answer, for what is no request: the text that the caller frees. */
    char *(*error)(const char *sentence);
};

struct serve_client {
    int fd; /* −1: free */
    char *in;
    size_t in_len;
    size_t in_room;
    char *out;
    size_t out_len;
    size_t out_at;     /* so much of it is written */
    uint64_t until_ns; /* patience ends; 0: nothing is awaited of it */
    bool asked;        /* its request is not answered yet */
    bool leaving;      /* closed when its answer is written */
    bool ended;        /* it writes no more; what it has written is answered */
};

struct serve {
    int listen; /* −1: nobody is heard */
    int signals;
    int folder;                      /* in which the socket stands */
    char name[SERVE_NAME_BYTES_MAX]; /* there */
    uint64_t ino;                    /* of the socket: what is unlinked is ours */
    struct serve_user user;
    uint32_t first; /* client that is looked at first in the next round */
    uint64_t round_ns;
    bool interrupted;
    uint64_t refused; /* clients that were not heard, or were dropped */
    struct serve_client client[SERVE_CLIENTS_MAX];
};

/*
 * Begin with signals alone: those of the set, which must be blocked. 0 or −errno.
 * `user` may be NULL until there is a socket.
 */
int serve_open(struct serve *s, const sigset_t *signals);

/*
 * Listen at `path`, of any length; its last component is bounded. A socket that nobody listens to
 * is replaced if it is ours. 0, or −errno and a sentence in `why`.
 */
int serve_listen(struct serve *s, const char *path, const struct serve_user *user, char *why,
                 size_t why_size);

/* Serve until `until_ns`: 0. Or a signal, which is returned; an interrupt reads as SIGINT. */
int serve_wait(struct serve *s, uint64_t until_ns);

/* Make serve_wait() return as if somebody had pressed Ctrl-C. */
void serve_interrupt(struct serve *s);

/* Answer a client's request with a line; the text ends with its newline. A client that is gone is
 * passed over. */
void serve_answer(struct serve *s, uint32_t client, const char *text);

/* Take leave of all clients, unlink the socket. */
void serve_close(struct serve *s);

/*
 * Connect to the socket at `path`, of any length. A descriptor, or −errno: −ECONNREFUSED when
 * nobody listens any more.
 */
int serve_connect(const char *path);

#endif
