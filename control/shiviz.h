/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An execution as a log with vector clocks, which ShiViz (Beschastnikh and others 2016) draws. Two
 * lines for an event; the regular expression for its input form is
 *
 *     (?<host>\S*) (?<clock>{.*})\n(?<event>.*)
 *
 * A clock counts the events of each process that happened before.
 */
#ifndef UPON_SHIVIZ_H
#define UPON_SHIVIZ_H

#include "spacetime.h"

#define SHIVIZ_REGEX "(?<host>\\S*) (?<clock>{.*})\\n(?<event>.*)"

/* Write the log to a file. 0 or −errno. Frames that only acknowledge are left out. */
int shiviz_write(const char *path, const struct spacetime *s);

#endif
