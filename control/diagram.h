/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A space-time diagram as SVG: time runs to the right, a lane for each process, an arrow for each
 * frame that carries messages (acknowledgements alone are left out), a column for each choice in
 * which something visible happens. The numbers below the lanes are those of the choices, as
 * `--dump` takes them.
 */
#ifndef UPON_DIAGRAM_H
#define UPON_DIAGRAM_H

#include "spacetime.h"

struct diagram_conf {
    uint64_t first; /* the window, in choices; 0, 0: all */
    uint64_t last;
    const char *title;   /* UTF-8; NULL: none */
    const char *caption; /* below the title: what is violated; NULL: none */
};

/* Write the picture to a file. 0 or −errno; −ENODATA: nothing visible happens in the window. */
int diagram_write(const char *path, const struct spacetime *s, const struct diagram_conf *conf);

#endif
