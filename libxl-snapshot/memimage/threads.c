/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/threads.h"

#include <sched.h>
#include <signal.h>

unsigned xls_threads_num(unsigned wanted)
{
    cpu_set_t cpus;

    if (!wanted && !sched_getaffinity(0, sizeof(cpus), &cpus))
        wanted = CPU_COUNT(&cpus);
    if (!wanted)
        wanted = 1;
    return wanted < XLS_THREADS_MAX ? wanted : XLS_THREADS_MAX;
}

void xls_threads_start(struct xls_threads *t, unsigned num,
                       void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    t->num = 0;
    while (t->num < num && !pthread_create(&t->v[t->num], NULL, run, arg))
        t->num++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void xls_threads_join(struct xls_threads *t)
{
    while (t->num)
        pthread_join(t->v[--t->num], NULL);
}
