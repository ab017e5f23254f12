/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_UTIL_ERROR_H
#define PLUGIN_UTIL_ERROR_H

/*
 * An error on its way up to the one place that prints it. A function that
 * takes one returns 0, or -1 with the text set. Texts say what was wrong, with
 * the value, and the way out where there is one; no newline at the end.
 */
struct error {
    char *text;
};

/* Sets the text (an earlier one is dropped; it may be among the arguments)
 * and returns -1. */
int error_set(struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same, with ": <strerror(errno)>" added. */
int error_errno(struct error *e, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void error_clear(struct error *e);

#endif
