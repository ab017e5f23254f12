/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_MEMIMAGE_THREADS_H
#define XLS_MEMIMAGE_THREADS_H

#include <pthread.h>

#define XLS_THREADS_MAX 16

struct xls_threads {
    pthread_t v[XLS_THREADS_MAX];
    unsigned num;
};

/* How many to start: as many as wanted; 0: one for each CPU that this process
 * may use. At most XLS_THREADS_MAX. */
unsigned xls_threads_num(unsigned wanted);

/* Starts up to num, with all signals blocked: these are the caller's. num may
 * be less after it, down to 0. */
void xls_threads_start(struct xls_threads *t, unsigned num,
                       void *(*run)(void *arg), void *arg);
void xls_threads_join(struct xls_threads *t);

#endif
