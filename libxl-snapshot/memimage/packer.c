/* SPDX-License-Identifier: LGPL-2.1-only */
#include "memimage/packer.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/alloc.h"
#include "common/files.h"
#include "memimage/codec.h"
#include "memimage/threads.h"

#define HURRY_NICE 19

enum state { FREE, WAITING, PACKING, PACKED };

struct job {
    enum state state;
    enum image_block_type type;
    uint8_t *data;              /* first what is to be packed, then that;
                                 * NULL: not used so far */
    size_t len;
    struct image_entry entry;
};

struct xls_packer {
    const struct xls_log *log;
    int fd;
    const char *path;
    const uint8_t *id;
    int level;
    bool hurry;

    pthread_mutex_t lock;
    pthread_cond_t work, progress;
    struct xls_threads threads;
    bool stop, writing;
    int rc;                     /* of the first that failed */

    /* Jobs from first to last, by number; each in jobs[number % num_jobs]. */
    struct job *jobs;
    uint32_t num_jobs, first, next, last;

    struct image_entry *table;  /* of all blocks before first */
    size_t table_space;
    uint64_t offset;
};

static struct job *job_at(struct xls_packer *p, uint32_t number)
{
    return &p->jobs[number % p->num_jobs];
}

/* Without the lock; nobody else is at the job. */
static void pack(struct xls_packer *p, struct xls_image_codec *codec,
                 struct job *job, uint32_t number, int level)
{
    const uint8_t *packed;
    size_t stored;

    xls_image_pack(codec, level, job->data, job->len, job->type, &job->entry,
                   &packed);
    stored = le32toh(job->entry.stored);
    if (packed != job->data)
        memcpy(job->data, packed, stored);
    job->entry.checksum = htole64(xls_image_block_checksum(job->data, stored,
                                                           p->id, number));
}

static void remember(struct xls_packer *p, const struct image_entry *entry)
{
    if (p->first == p->table_space) {
        p->table_space = p->table_space ? 2 * p->table_space : 64;
        p->table = xls_realloc(p->table, p->table_space, sizeof(*p->table));
    }
    p->table[p->first] = *entry;
}

/* With the lock, which it lets go of while it writes. */
static void write_packed(struct xls_packer *p)
{
    struct job *job;

    if (p->writing)
        return;
    p->writing = true;
    while (p->first != p->last &&
           (job = job_at(p, p->first))->state == PACKED && !p->stop) {
        size_t stored = le32toh(job->entry.stored);
        int rc = p->rc;

        pthread_mutex_unlock(&p->lock);
        if (!rc)
            rc = xls_fd_write_at(p->log, p->fd, p->path, job->data, stored,
                                 p->offset);
        pthread_mutex_lock(&p->lock);
        if (!p->rc)
            p->rc = rc;
        remember(p, &job->entry);
        p->offset += stored;
        job->state = FREE;
        p->first++;
        pthread_cond_broadcast(&p->progress);
    }
    p->writing = false;
}

static void *work(void *arg)
{
    struct xls_packer *p = arg;
    struct xls_image_codec *codec = xls_image_codec_new();

    /* Of this thread alone. Where a CPU is to spare, it has that; where none
     * is, packing does not slow down what the guest stands still for. */
    if (p->hurry && setpriority(PRIO_PROCESS, 0, HURRY_NICE))
        XLS_DEBUG(p->log, "packing at the priority of all else");
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        uint32_t number = p->next;
        struct job *job;

        if (number == p->last) {
            pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        p->next++;
        job = job_at(p, number);
        job->state = PACKING;
        pthread_mutex_unlock(&p->lock);
        pack(p, codec, job, number, p->level);
        pthread_mutex_lock(&p->lock);
        job->state = PACKED;
        write_packed(p);
    }
    pthread_mutex_unlock(&p->lock);
    xls_image_codec_free(codec);
    return NULL;
}

struct xls_packer *xls_packer_new(const struct xls_log *log, int fd,
                                  const char *path, const uint8_t id[16],
                                  uint64_t offset, int level, unsigned threads,
                                  bool hurry)
{
    struct xls_packer *p = xls_calloc(1, sizeof(*p));

    p->log = log;
    p->fd = fd;
    p->path = path;
    p->id = id;
    p->offset = offset;
    p->level = level;
    p->hurry = hurry;
    threads = xls_threads_num(threads);
    p->num_jobs = 16 + 4 * threads;
    p->jobs = xls_calloc(p->num_jobs, sizeof(*p->jobs));
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->progress, NULL);
    xls_threads_start(&p->threads, threads, work, p);
    return p;
}

void xls_packer_free(struct xls_packer *p)
{
    uint32_t i;

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    xls_threads_join(&p->threads);
    for (i = 0; i < p->num_jobs; i++)
        free(p->jobs[i].data);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->progress);
    free(p->jobs);
    free(p->table);
    free(p);
}

/* The oldest block that no thread has come to, if there is one, with the
 * lock, which it lets go of meanwhile. */
static bool help(struct xls_packer *p, int level)
{
    struct xls_image_codec *codec;
    uint32_t number = p->next;
    struct job *job;

    if (number == p->last)
        return false;
    p->next++;
    job = job_at(p, number);
    job->state = PACKING;
    pthread_mutex_unlock(&p->lock);
    codec = xls_image_codec_new();
    pack(p, codec, job, number, level);
    xls_image_codec_free(codec);
    pthread_mutex_lock(&p->lock);
    job->state = PACKED;
    write_packed(p);
    return true;
}

/* In a hurry, or when no thread could be made, the caller is one, too. */
static void wait_or_help(struct xls_packer *p, int level)
{
    if ((p->threads.num && !p->hurry) || !help(p, level))
        pthread_cond_wait(&p->progress, &p->lock);
}

int xls_packer_add(struct xls_packer *p, enum image_block_type type,
                   uint8_t **data, size_t len)
{
    struct job *job;
    uint8_t *other;
    int rc;

    pthread_mutex_lock(&p->lock);
    while (p->last - p->first == p->num_jobs)
        wait_or_help(p, p->hurry ? 0 : p->level);
    job = job_at(p, p->last);
    other = job->data ? job->data : xls_calloc(1, IMAGE_BLOCK);
    job->data = *data;
    job->len = len;
    job->type = type;
    job->state = WAITING;
    *data = other;
    p->last++;
    pthread_cond_signal(&p->work);
    rc = p->rc;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

int xls_packer_finish(struct xls_packer *p)
{
    int rc;

    pthread_mutex_lock(&p->lock);
    while (p->first != p->last)
        wait_or_help(p, p->level);
    rc = p->rc;
    pthread_mutex_unlock(&p->lock);
    return rc;
}

const struct image_entry *xls_packer_table(const struct xls_packer *p,
                                           uint32_t *blocks, uint64_t *end)
{
    *blocks = p->first;
    *end = p->offset;
    return p->table;
}
