/* SPDX-License-Identifier: LGPL-2.1-only */
#include "cli/progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
#define NUM_SIGNALS (sizeof(signals) / sizeof(signals[0]))
static struct sigaction before[NUM_SIGNALS];
static volatile sig_atomic_t cancelled;

static void cancel(int number)
{
    cancelled = number;
}

static void the_signals(sigset_t *set)
{
    size_t i;

    sigemptyset(set);
    for (i = 0; i < NUM_SIGNALS; i++)
        sigaddset(set, signals[i]);
}

void progress_start(struct progress *p)
{
    struct sigaction sa = { .sa_handler = cancel, .sa_flags = SA_RESTART };
    size_t i;

    memset(p, 0, sizeof(*p));
    p->terminal = isatty(STDERR_FILENO);
    clock_gettime(CLOCK_MONOTONIC, &p->start);
    cancelled = 0;
    for (i = 0; i < NUM_SIGNALS; i++)
        sigaction(signals[i], &sa, &before[i]);
}

void progress_shield(struct progress *p)
{
    sigset_t set;

    the_signals(&set);
    p->shielded = !sigprocmask(SIG_BLOCK, &set, &p->mask);
}

/* Takes what is pending. */
static void look(struct progress *p)
{
    const struct timespec now = { 0 };
    sigset_t set;
    int number;

    the_signals(&set);
    while (p->shielded && (number = sigtimedwait(&set, NULL, &now)) > 0)
        cancelled = number;
}

void progress_end(struct progress *p)
{
    size_t i;

    look(p);
    if (p->shielded)
        sigprocmask(SIG_SETMASK, &p->mask, NULL);
    p->shielded = false;
    for (i = 0; i < NUM_SIGNALS; i++)
        sigaction(signals[i], &before[i], NULL);
    if (p->shown)
        fputs("\r\033[K", stderr);
}

static double seconds(const struct timespec *from, const struct timespec *to)
{
    return to->tv_sec - from->tv_sec + (to->tv_nsec - from->tv_nsec) * 1e-9;
}

/* Time left at the rate so far; "" when it cannot be told. */
static void time_left(const libxl_snapshot_progress *progress, double passed,
                      char *text, size_t size)
{
    double left;

    text[0] = '\0';
    if (passed < 1 || !progress->done || progress->done >= progress->total)
        return;
    left = passed * (progress->total - progress->done) / progress->done;
    if (left < 360000)
        snprintf(text, size, "  %d:%02d left", (int)left / 60, (int)left % 60);
}

static void print_line(struct progress *p,
                       const libxl_snapshot_progress *progress)
{
    int percent = progress->total
        ? (int)(progress->done * 100.0 / progress->total) : 0;

    if (percent / 10 * 10 <= p->told || percent > 100)
        return;
    p->told = percent / 10 * 10;
    fprintf(stderr, "%s: %d%% of %.0f MiB\n", progress->phase, p->told,
            progress->total / (double)(1 << 20));
}

static void show(struct progress *p, const libxl_snapshot_progress *progress)
{
    const double mib = 1 << 20;
    char bar[21], rate[48] = "", left[32];
    struct timespec now;
    double passed;
    int percent;

    clock_gettime(CLOCK_MONOTONIC, &now);
    passed = seconds(&p->start, &now);
    if (passed > 0.5)
        snprintf(rate, sizeof(rate), "%.1f MiB/s",
                 progress->done / mib / passed);
    if (!progress->total) {
        fprintf(stderr, "\r%-8s %.0f MiB  %s\033[K", progress->phase,
                progress->done / mib, rate);
    } else {
        /* The total is an estimate. */
        percent = progress->done >= progress->total
            ? 100 : (int)(progress->done * 100.0 / progress->total);
        memset(bar, ' ', sizeof(bar) - 1);
        memset(bar, '#', percent / 5);
        bar[sizeof(bar) - 1] = 0;
        time_left(progress, passed, left, sizeof(left));
        fprintf(stderr, "\r%-8s [%s] %3d%%  %.0f MiB  %s%s\033[K",
                progress->phase, bar, percent, progress->done / mib, rate,
                left);
    }
    fflush(stderr);
    p->shown = true;
}

int progress_report(void *user, const libxl_snapshot_progress *progress)
{
    struct progress *p = user;

    look(p);
    if (p->terminal)
        show(p, progress);
    else if (p->lines)
        print_line(p, progress);
    return cancelled;
}
