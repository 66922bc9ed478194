/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP side of metrics.h. */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <microhttpd.h>

#define CONNECTION_BYTES 16384 /* for what a client says */

struct metrics {
    struct figures *figures;
    struct MHD_Daemon *daemon;
    /* The text of the newest page; its serving thread's alone. */
    char *text;
    uint64_t text_ns;
};

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *text,
                             const char *type)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                             MHD_RESPMEM_MUST_COPY);
    if (r == NULL)
        return MHD_NO;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result queued = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return queued;
}

static const char *newest_text(struct metrics *m)
{
    const struct figures_page *page = figures_lock(m->figures, 0);
    if (m->text == NULL || m->text_ns != page->at_ns) {
        free(m->text);
        m->text = metrics_text(m->figures, page);
        m->text_ns = page->at_ns;
    }
    figures_unlock(m->figures);
    return m->text;
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *c, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_size, void **request)
{
    static int seen;
    struct metrics *m = ctx;
    (void)version, (void)upload;
    if (*request == NULL) { /* the header has come; the answer follows what is uploaded */
        *request = &seen;
        return MHD_YES;
    }
    if (*upload_size > 0) { /* of no interest */
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return reply(c, MHD_HTTP_METHOD_NOT_ALLOWED, "upon: only GET is answered\n", "text/plain");
    if (strcmp(url, "/metrics") != 0)
        return reply(c, MHD_HTTP_NOT_FOUND, "upon: the figures are at /metrics\n", "text/plain");
    const char *text = newest_text(m);
    if (text == NULL)
        return reply(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "upon: no memory\n", "text/plain");
    return reply(c, MHD_HTTP_OK, text, "text/plain; version=0.0.4; charset=utf-8");
}

__attribute__((format(printf, 2, 0))) static void keep_quiet(void *ctx, const char *format,
                                                             va_list args)
{
    (void)ctx, (void)format, (void)args;
}

/* A listening socket on the loopback interface; or −errno. */
static int listen_on(uint16_t port)
{
    const struct sockaddr_in at = {.sin_family = AF_INET,
                                   .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, err = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 ||
        listen(fd, METRICS_CONNECTIONS_MAX) != 0)
        err = -errno;
    if (err != 0)
        close(fd);
    return err != 0 ? err : fd;
}

int metrics_open(struct metrics **to, struct figures *f, uint16_t port, char *why, size_t why_size)
{
    int fd = listen_on(port);
    if (fd < 0) {
        snprintf(why, why_size, "port %u of 127.0.0.1 for metrics: %s; choose another one", port,
                 strerror(-fd));
        return fd;
    }
    struct metrics *m = calloc(1, sizeof *m);
    if (m != NULL) {
        m->figures = f;
        m->daemon =
            MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL,
                             answer, m, MHD_OPTION_EXTERNAL_LOGGER, keep_quiet, NULL,
                             MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                             (unsigned)METRICS_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                             (unsigned)METRICS_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                             (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    }
    if (m == NULL || m->daemon == NULL) {
        snprintf(why, why_size, "the server of metrics does not start on port %u", port);
        close(fd);
        free(m);
        return -ENOMEM;
    }
    *to = m;
    return 0;
}

void metrics_close(struct metrics *m)
{
    if (m == NULL)
        return;
    MHD_stop_daemon(m->daemon);
    free(m->text);
    free(m);
}
