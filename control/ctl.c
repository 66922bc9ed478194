/* SPDX-License-Identifier: BSD-3-Clause */
#include "ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "request.h"
#include "runs.h"
#include "serve.h"

int ctl_open(const char *run, char *why, size_t why_size)
{
    char path[RUNS_PATH_BYTES];
    int err = runs_find(run, path, sizeof path, why, why_size);
    if (err != 0)
        return err;
    int fd = serve_connect(path);
    if (fd < 0)
        snprintf(why, why_size, "%.512s: %s; name a run that is alive, and yours", path,
                 strerror(-fd));
    return fd;
}

/* Wait until it can be read or written. */
static bool ready(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int got;
    do
        got = poll(&p, 1, CTL_PATIENCE_MS);
    while (got < 0 && errno == EINTR);
    return got > 0;
}

static bool put(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t did = ready(fd, POLLOUT) ? send(fd, text, len, MSG_NOSIGNAL) : -1;
        if (did <= 0 && errno != EAGAIN)
            return false;
        text += did > 0 ? did : 0;
        len -= did > 0 ? (size_t)did : 0;
    }
    return true;
}

/* An answer, up to its newline. NULL: there was none. */
static char *take(int fd, size_t *len)
{
    size_t room = 1 << 16;
    char *text = malloc(room);
    *len = 0;
    while (text != NULL && ready(fd, POLLIN)) {
        ssize_t got = recv(fd, text + *len, room - *len, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0)
            break;
        *len += (size_t)got;
        if (text[*len - 1] == '\n')
            return text;
        char *more = *len == room && room < SERVE_ANSWER_BYTES ? realloc(text, room *= 2) : text;
        if (more == NULL || *len == room)
            break;
        text = more;
    }
    free(text);
    return NULL;
}

json_t *ctl_ask(int fd, json_t *request, char *why, size_t why_size)
{
    size_t len = 0;
    json_object_set_new(request, "upon", json_integer(REQUEST_VERSION));
    json_object_set_new(request, "id", json_integer(1));
    char *line = json_dumps(request, JSON_COMPACT), *text = NULL;
    json_decref(request);
    /* Who is not heard is told so and left: that answer can be there when writing fails. */
    if (line != NULL) {
        if (put(fd, line, strlen(line)))
            (void)put(fd, "\n", 1);
        text = take(fd, &len);
    }
    json_t *answer = text != NULL ? json_loadb(text, len, 0, NULL) : NULL;
    free(line);
    free(text);
    if (answer == NULL) {
        snprintf(why, why_size, "the run gave no answer; it has ended, or is kept from running");
        return NULL;
    }
    if (json_is_true(json_object_get(answer, "ok")))
        return answer;
    const char *error = json_string_value(json_object_get(answer, "error"));
    snprintf(why, why_size, "%s", error != NULL ? error : "the run said no");
    json_decref(answer);
    return NULL;
}
