/* SPDX-License-Identifier: LGPL-2.1-only */
#include "session/chain_copy.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/alloc.h"
#include "common/files.h"
#include "common/names.h"
#include "common/percent.h"
#include "layers/headers.h"
#include "layers/image_copy.h"
#include "offline/merge_internal.h"
#include "session/users.h"

/* What is known while the copies are made. */
struct chain_copy {
    struct disk_job *d;
    const char *to;
    libxl_disk_chain chain;
    xl_snapshot_moved *layers;  /* as many as the chain has */
    char **names;               /* theirs there, relative to each other */
    uint64_t *lengths;          /* bytes to copy of each; 0 of the active one */
    uint64_t total, done;
};

static bool is_export_place(const char *to)
{
    return to[0] != '/';
}

/* --- what is copied where --- */

static int check_layer(const struct chain_copy *c, int i, struct error *e)
{
    const libxl_disk_layer *l = &c->chain.layers[i];
    const char *name = l->filename ? l->filename : l->spec;

    if (l->parent != i - 1 || (i && !str_same(l->child, "backing")) ||
        l->kind == LIBXL_DISK_LAYER_KIND_NONE)
        return error_set(e, "disk %s is not a plain chain of backing files; "
                         "'xl disk-chain' shows it", c->d->vdev);
    if (!l->filename || (l->kind != LIBXL_DISK_LAYER_KIND_FILE &&
                         l->kind != LIBXL_DISK_LAYER_KIND_BLOCK &&
                         l->kind != LIBXL_DISK_LAYER_KIND_NBD))
        return error_set(e, "layer %s of disk %s is neither in a file nor on a "
                         "block device or NBD export", name ? name : "",
                         c->d->vdev);
    if (l->format != LIBXL_DISK_FORMAT_QCOW2 &&
        l->format != LIBXL_DISK_FORMAT_RAW)
        return error_set(e, "layer %s of disk %s is of format %s; raw and "
                         "qcow2 can be copied", name, c->d->vdev, l->driver);
    return 0;
}

/* The last part of a path or, decoded, of a URI; malloc'ed. */
static char *name_of(const char *spec)
{
    size_t len = is_nbd_uri(spec) ? strcspn(spec, "?") : strlen(spec);
    const char *begin = spec + len;
    char *name = NULL;

    while (begin > spec && begin[-1] != '/')
        begin--;
    len -= begin - spec;
    if (is_nbd_uri(spec))
        name = xls_percent_decode(begin, len);
    if (!name || strchr(name, '/')) {
        free(name);
        name = xls_memdup0(begin, len);
    }
    return name;
}

/* A name that no other layer of the chain gets. */
static char *free_name(const struct strings *taken, const char *spec)
{
    char *first = name_of(spec), *name;
    int n = 0;

    if (!*first) {
        free(first);
        first = xls_strdup("disk");
    }
    name = xls_strdup(first);
    while (strings_has(taken, name)) {
        free(name);
        name = xls_asprintf("%s.%d", first, ++n);
    }
    free(first);
    return name;
}

static char *place(const char *to, const char *name)
{
    size_t len = strcspn(to, "?"), end = len;
    bool at_root;
    char *text, *coded;

    if (!is_export_place(to))
        return xls_asprintf("%s/%s", to, name);
    while (end && to[end - 1] == '/')
        end--;
    coded = xls_percent_encode(name, NULL);
    /* nbd+unix:///PREFIX has nothing where a host would be. */
    at_root = !strncmp(to, "nbd+unix:", 9) && end <= 9;
    text = xls_asprintf("%.*s%s%s%s", at_root ? 9 : (int)end, to,
                        at_root ? "///" : "/", coded, to + len);
    free(coded);
    return text;
}

static int verify(const struct chain_copy *c, uint32_t domid, struct error *e)
{
    const struct live_disk *live = live_find(&c->d->s.live, domid,
                                             c->d->vdev);

    if (!live)
        return error_set(e, "the domain has no disk %s", c->d->vdev);
    return headers_verify(&c->chain, live->path, live->format, e);
}

static int plan(struct chain_copy *c, struct error *e)
{
    struct strings taken = { 0 };
    int i, ret = 0;

    c->layers = xls_calloc(c->chain.num_layers, sizeof(*c->layers));
    c->lengths = xls_calloc(c->chain.num_layers, sizeof(*c->lengths));
    c->names = xls_calloc(c->chain.num_layers, sizeof(*c->names));
    for (i = 0; !ret && i < c->chain.num_layers; i++) {
        const libxl_disk_layer *l = &c->chain.layers[i];
        char *name;

        xl_snapshot_moved_init(&c->layers[i]);
        ret = check_layer(c, i, e);
        if (ret)
            break;
        name = free_name(&taken, l->filename);
        strings_add(&taken, name);
        c->names[i] = name;
        c->layers[i].from = xls_strdup(l->filename);
        c->layers[i].to = place(c->to, name);
        c->layers[i].format = l->format;
        if (i)
            ret = image_length(l->filename, &c->lengths[i], e);
        c->total += c->lengths[i];
    }
    strings_free(&taken);
    return ret;
}

static int check_place(const struct chain_copy *c, struct error *e)
{
    uint64_t needed = 0, available;
    struct statvfs fs;
    struct stat st;
    int i;

    if (is_export_place(c->to))
        return 0;
    if (stat(c->to, &st) || statvfs(c->to, &fs))
        return error_errno(e, "the directory %s", c->to);
    if (!S_ISDIR(st.st_mode))
        return error_set(e, "%s is no directory; with --chain, the layers get "
                         "their own names in one", c->to);
    for (i = 0; i < c->chain.num_layers; i++) {
        if (!access(c->layers[i].to, F_OK))
            return error_set(e, "%s is there already; choose a directory in "
                             "which no file has the name of a layer",
                             c->layers[i].to);
        if (c->chain.layers[i].allocated_size > 0)
            needed += c->chain.layers[i].allocated_size;
    }
    available = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (needed > available)
        return error_set(e, "the chain takes %" PRIu64 " bytes, and %s has %"
                         PRIu64 " free", needed, c->to, available);
    return 0;
}

/* --- the files --- */

static void say(void *user, const char *text)
{
    cli_say(user, "%s", text);
}

static int unused(void *user, const char *path, struct error *e)
{
    return users_running(user, INVALID_DOMID, path, e);
}

/* Copies that are of no use to the job any more. What a domain or a snapshot
 * uses all the same stays. */
static void discard_files(struct session *s, struct cli *cli,
                          const xl_snapshot_moved *layers, int num)
{
    struct merge merge = { .st = s->store, .live = &s->live,
                         .domid = s->domain.domid, .unused = unused,
                         .say = say, .user = cli };
    struct error e = { 0 };
    int i;

    for (i = 0; i < num; i++)
        if (layers[i].to[0] == '/' &&
            merge_discard(&merge, layers[i].to, NULL, &e))
            cli_say(cli, "%s stays: %s", layers[i].to, e.text);
    error_clear(&e);
}

static void say_files_stay(struct cli *cli, const xl_snapshot_job *noted)
{
    int i;

    cli_say(cli, "what became of the copy of disk %s is not known, so its files "
            "stay. Once no domain uses them, 'chattr -i' and 'rm' remove "
            "them:", noted->vdev);
    for (i = 0; i < noted->num_layers; i++)
        cli_say(cli, "  %s", noted->layers[i].to);
}

static int make_files(struct chain_copy *c, struct error *e)
{
    int i;

    for (i = 0; !is_export_place(c->to) && i < c->chain.num_layers; i++)
        if (image_reserve(c->layers[i].to,
                          c->layers[i].from[0] == '/' ? c->layers[i].from
                                                      : NULL, e)) {
            /* Nobody but this process knows them yet. */
            while (i--)
                xls_unlink(c->layers[i].to, true);
            return -1;
        }
    return 0;
}

static int watch(void *user, uint64_t done)
{
    struct chain_copy *c = user;
    libxl_snapshot_progress progress = { .phase = "layers",
                                         .done = c->done + done,
                                         .total = c->total };

    return progress_report(&c->d->progress, &progress);
}

static int copy_layers(struct chain_copy *c, uint64_t speed, struct error *e)
{
    int i, ret = 0;

    for (i = c->chain.num_layers - 1; !ret && i > 0; i--) {
        xl_snapshot_moved *l = &c->layers[i];

        ret = image_copy(l->from, l->to, c->lengths[i], speed, watch, c, e);
        if (ret > 0)
            ret = error_set(e, "cancelled; the copies are removed");
        c->done += c->lengths[i];
        if (!ret && i + 1 < c->chain.num_layers)
            ret = image_name_backing(l->to, c->names[i + 1], l[1].format, e);
        if (!ret && l->to[0] == '/')
            ret = image_freeze(l->to, e);
    }
    return ret;
}

static int make_top(struct chain_copy *c, struct error *e)
{
    const libxl_disk_layer *top = &c->chain.layers[0];
    const char *name;

    if (top->format != LIBXL_DISK_FORMAT_QCOW2)
        return 0;
    name = c->chain.num_layers > 1 ? c->names[1] : NULL;
    return image_make_empty(c->layers[0].to, top->virtual_size,
                            top->cluster_size, name,
                            name ? c->layers[1].format
                                 : LIBXL_DISK_FORMAT_UNKNOWN, e);
}

static int start_job(struct chain_copy *c, uint32_t domid, uint64_t speed,
                     const libxl_snapshot_how *how)
{
    libxl_disk_copy_args args;
    int i, rc;

    libxl_disk_copy_args_init(&args);
    args.vdev = xls_strdup(c->d->vdev);
    args.target = xls_strdup(c->layers[0].to);
    args.format = c->layers[0].format;
    args.reuse_external = args.format == LIBXL_DISK_FORMAT_QCOW2;
    args.speed = speed;
    args.num_base = c->chain.num_layers - 1;
    args.shallow = args.num_base > 0;
    args.base = xls_calloc(args.num_base, sizeof(*args.base));
    for (i = 0; i < args.num_base; i++) {
        libxl_disk_copy_layer_init(&args.base[i]);
        args.base[i].target = xls_strdup(c->layers[i + 1].to);
        args.base[i].format = c->layers[i + 1].format;
    }
    rc = libxl_disk_copy(c->d->cli->ctx, domid, &args, how);
    libxl_disk_copy_args_dispose(&args);
    return rc;
}

static int note(struct chain_copy *c)
{
    xl_snapshot_job *job = job_note_new(c->d, NULL, NULL);
    int i;

    job->preparing = true;
    job->num_layers = c->chain.num_layers;
    job->layers = xls_calloc(job->num_layers, sizeof(*job->layers));
    for (i = 0; i < job->num_layers; i++) {
        xl_snapshot_moved_init(&job->layers[i]);
        job->layers[i].from = xls_strdup(c->layers[i].from);
        job->layers[i].to = xls_strdup(c->layers[i].to);
        job->layers[i].format = c->layers[i].format;
    }
    return job_note_write(c->d);
}

/* From here on QEMU may have the files. */
static int note_prepared(struct disk_job *d)
{
    xl_snapshot_domain *info = &d->s.store->info;

    info->jobs[info->num_jobs - 1].preparing = false;
    return job_note_write(d);
}

/* The library says so, too, but only when all has been copied. */
static int check_no_job(struct disk_job *d, uint32_t domid,
                        const libxl_snapshot_how *how)
{
    libxl_disk_job job;
    int rc;

    libxl_disk_job_init(&job);
    rc = libxl_disk_job_info(d->cli->ctx, domid, d->vdev, how, &job);
    if (!rc && (job.phase == LIBXL_DISK_JOB_PHASE_RUNNING ||
                job.phase == LIBXL_DISK_JOB_PHASE_READY))
        rc = ERROR_SNAPSHOT_BLOCK_JOB_ACTIVE;
    libxl_disk_job_dispose(&job);
    return rc;
}

static int check_target(const char *to, struct error *e)
{
    if (to[0] == '/' || is_nbd_uri(to))
        return 0;
    return error_set(e, "\"%s\" is neither the absolute path of a directory "
                     "nor nbd://HOST[:PORT][/PREFIX]", to);
}

int chain_copy_start(struct disk_job *d, uint32_t domid, const char *to,
                     uint64_t speed, const libxl_snapshot_how *how)
{
    struct error *e = &d->error;
    struct chain_copy c = { .d = d };
    char *trimmed = xls_strdup(to);
    size_t len = strlen(trimmed);
    int i, rc;

    while (to[0] == '/' && len > 1 && trimmed[len - 1] == '/')
        trimmed[--len] = '\0';
    c.to = trimmed;
    libxl_disk_chain_init(&c.chain);
    rc = check_target(to, e);
    if (rc)
        goto out;
    rc = check_no_job(d, domid, how);
    if (rc)
        goto out;
    rc = libxl_disk_chain_get(d->cli->ctx, domid, d->vdev, 0, how, &c.chain);
    if (rc)
        goto out;
    rc = verify(&c, domid, e) || plan(&c, e) || check_place(&c, e) ||
         make_files(&c, e) ? -1 : 0;
    if (rc)
        goto out;
    progress_start(&d->progress);
    d->progress.lines = true;
    rc = note(&c) || copy_layers(&c, speed, e) || make_top(&c, e) ||
         note_prepared(d) ? -1 : 0;
    progress_end(&d->progress);
    if (!rc)
        rc = start_job(&c, domid, speed, how);
    if (rc && !outcome_unknown(rc))
        discard_files(&d->s, d->cli, c.layers, c.chain.num_layers);

out:
    for (i = 0; c.layers && i < c.chain.num_layers; i++) {
        xl_snapshot_moved_dispose(&c.layers[i]);
        free(c.names[i]);
    }
    free(c.layers);
    free(c.lengths);
    free(c.names);
    libxl_disk_chain_dispose(&c.chain);
    free(trimmed);
    return rc;
}

/* --- afterwards --- */

static int move_store(struct session *s, struct cli *cli,
                      const xl_snapshot_job *noted, struct error *e)
{
    struct layers l;
    int i, ret = 0;

    /* What is on another host cannot be reverted to, or merged, from here. */
    if (noted->layers[0].to[0] != '/')
        return 0;
    for (i = 1; !ret && i < noted->num_layers; i++)
        if (noted->layers[i].from[0] == '/')
            ret = store_move_layer(s->store, noted->layers[i].from,
                                   noted->layers[i].to,
                                   noted->layers[i].format, e);
    if (ret || layers_load(&l, s->store, &s->live, e))
        return -1;
    for (i = 1; i < noted->num_layers; i++) {
        const struct layer *child =
            layers_next_child(&l, noted->layers[i].from, NULL);

        if (child)
            cli_say(cli, "%s is still needed, beside its copy: %s is based on "
                    "it", noted->layers[i].from, child->image.path);
    }
    layers_free(&l);
    return 0;
}

static bool runs_on_copy(const struct session *s, const xl_snapshot_job *noted)
{
    const struct live_disk *disk = live_find(&s->live, s->domain.domid,
                                             noted->vdev);

    return domain_runs(s->domain.domid) && disk &&
        (str_same(disk->path, noted->layers[0].to) ||
         xls_same_file(disk->path, noted->layers[0].to));
}

int chain_copy_follow(struct session *s, struct cli *cli,
                      const xl_snapshot_job *noted, const libxl_disk_job *job,
                      struct error *e)
{
    bool its = !noted->preparing && job->type == LIBXL_DISK_JOB_TYPE_COPY &&
        str_same(job->target, noted->layers[0].to);
    bool nothing = noted->preparing ||
        (its && (job->phase == LIBXL_DISK_JOB_PHASE_CANCELLED ||
                 job->phase == LIBXL_DISK_JOB_PHASE_FAILED));

    if ((its && job->phase == LIBXL_DISK_JOB_PHASE_COMPLETED) ||
        runs_on_copy(s, noted))
        return move_store(s, cli, noted, e);
    if (its && job->phase == LIBXL_DISK_JOB_PHASE_CANCELLED &&
        job->target_complete)
        return 0;
    if (!nothing) {
        say_files_stay(cli, noted);
        return 0;
    }
    if (noted->layers[0].to[0] == '/')
        cli_say(cli, "the copies of the layers of disk %s in the directory of "
                "%s are removed", noted->vdev, noted->layers[0].to);
    discard_files(s, cli, noted->layers, noted->num_layers);
    return 0;
}
