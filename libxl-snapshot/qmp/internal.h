/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef XLS_QMP_INTERNAL_H
#define XLS_QMP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libxl_snapshot.h>

#include "common/clock.h"
#include "qmp/qmp.h"

#define XLS_QMP_MAX_EVENTS 1000
/* Of the events' text: a few large ones must not hold much memory either. */
#define XLS_QMP_MAX_EVENT_BYTES (1024 * 1024)
/* For commands that QEMU answers from memory. */
#define XLS_QMP_QUICK_MS 10000

struct xls_qmp_lock {
    int fd;                     /* -1: not held */
    char *path;
};

struct xls_qmp_event_slot {
    struct xls_json *event;
    size_t bytes;
};

struct xls_qmp {
    const struct xls_log *log;
    char *socket_path;
    struct xls_qmp_lock lock;
    int fd;
    bool dead;

    struct xls_json_stream *stream;
    char buf[65536];            /* received, not parsed yet: */
    size_t buf_at, buf_len;
    size_t partial_bytes;       /* of the message that is being parsed */
    size_t message_bytes;       /* of the last whole message */
    uint64_t received_us;       /* when the last bytes came */

    /* A ring; the oldest is at first. */
    struct xls_qmp_event_slot events[XLS_QMP_MAX_EVENTS];
    size_t first_event, num_events, event_bytes;

    int64_t first_id, last_id;          /* see xls_qmp__receive_own */
    unsigned num_stale;
    unsigned version;
    uint64_t last_us;
    char *error_class, *error_desc;
    struct xls_json *commands;  /* of query-commands; NULL: not asked yet */
};

/* All deadlines are times of xls_now_us(). */
uint64_t xls_qmp__deadline(unsigned timeout_ms);
/* What is left, for poll(2), rounded up; 0 when the deadline has passed. */
int xls_qmp__left_ms(uint64_t deadline);
/* Sleeps *ms milliseconds, but not past the deadline, and doubles *ms. */
void xls_qmp__back_off(unsigned *ms, uint64_t deadline);

/* Returns 0, ERROR_TIMEDOUT or ERROR_SNAPSHOT_QMP; failures are logged. */
int xls_qmp__lock(const struct xls_log *log, const char *path,
                  uint64_t deadline, struct xls_qmp_lock *lock);
void xls_qmp__unlock(struct xls_qmp_lock *lock);

/* Marks the connection dead, logs why, returns ERROR_SNAPSHOT_QMP. */
int xls_qmp__die(struct xls_qmp *qmp, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns 0, ERROR_TIMEDOUT (not logged) or ERROR_SNAPSHOT_QMP (logged). */
int xls_qmp__connect(struct xls_qmp *qmp, uint64_t deadline);
/* Sends text, and with its first bytes the descriptor pass_fd (-1: none).
 * Whatever it returns but 0 leaves a part of text sent. */
int xls_qmp__send(struct xls_qmp *qmp, const char *text, int pass_fd,
                  uint64_t deadline);
/* Waits until QEMU has read all that was sent. */
int xls_qmp__drain(struct xls_qmp *qmp, uint64_t deadline);
/* The next message, an object. A message that is incomplete at the deadline
 * is kept and continued by the next call. */
int xls_qmp__receive(struct xls_qmp *qmp, uint64_t deadline,
                     struct xls_json **message);

/*
 * The next message, but for replies to the client before this one. When that
 * is killed between a command and its reply, QEMU gives the reply to the next;
 * so the ids of each connection are in a range of its own, which begins at a
 * random number. QEMU has few commands of a client in work, so a few are
 * passed over and no more.
 */
#define XLS_QMP_IDS (1 << 16)
#define XLS_QMP_MAX_STALE 4
int xls_qmp__receive_own(struct xls_qmp *qmp, uint64_t deadline,
                         struct xls_json **message);

/* Queues the last message received, an event; takes it. pop: of a queue that is
 * not empty. */
void xls_qmp__queue_event(struct xls_qmp *qmp, struct xls_json *event);
struct xls_json *xls_qmp__pop_event(struct xls_qmp *qmp);
void xls_qmp__drop_events(struct xls_qmp *qmp);

/* xls_qmp_run, with a descriptor to pass (-1: none). */
int xls_qmp__command(struct xls_qmp *qmp, const char *command,
                     struct xls_json *args, int pass_fd, unsigned timeout_ms,
                     struct xls_json **ret);

#endif
