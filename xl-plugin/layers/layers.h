/* SPDX-License-Identifier: LGPL-2.1-only */
#ifndef PLUGIN_LAYERS_LAYERS_H
#define PLUGIN_LAYERS_LAYERS_H

#include "layers/image.h"
#include "store/store.h"

/* Whether there is a running domain (INVALID_DOMID is a signed constant). */
static inline bool domain_runs(uint32_t domid)
{
    return domid != (uint32_t)INVALID_DOMID;
}

/* A disk of a running domain, as libxl knows it. */
struct live_disk {
    char *domain;
    uint32_t domid;
    char *vdev;
    char *path;
    libxl_disk_format format;
    bool removable;             /* its medium comes and goes: a CD-ROM drive */
    bool replaced;              /* it is not the disk of that vdev that the
                                 * snapshots were taken of */
};

/* The disks of all running domains. */
struct live {
    struct live_disk *v;
    int num;
};
void live_add(struct live *live, const char *domain, uint32_t domid,
              const char *vdev, const char *path, libxl_disk_format format);
/* As libxl describes it. A drive without a medium, and what another domain
 * serves, is on no file of this host and is left out. */
void live_add_disk(struct live *live, const char *domain, uint32_t domid,
                   const libxl_device_disk *disk, libxl_disk_format format);
struct live_disk *live_find(const struct live *live, uint32_t domid,
                            const char *vdev);
void live_free(struct live *live);

/*
 * Every image file that something needs: what running domains have open, and
 * what the store names (of every domain), each with all layers below it. A
 * file is removed or written only after a look at this.
 */
struct layer {
    struct image image;
    struct live_disk *live;     /* a running domain has it open */
    bool shared;                /* more than one disk of running domains has */
    bool top;                   /* the active layer of a domain, running or
                                 * not */
    bool foreign;               /* another domain's store needs it, and not
                                 * only below one of this domain's layers */
    char *owner;                /* that domain */
};
struct layers {
    struct layer *v;
    int num;
};

int layers_load(struct layers *l, const struct store *st, struct live *live,
                struct error *e);
void layers_free(struct layers *l);
struct layer *layers_find(const struct layers *l, const char *path);
/* The layer after last (NULL: the first) that is based on path; NULL: there
 * is no further one. */
struct layer *layers_next_child(const struct layers *l, const char *path,
                                const struct layer *last);
int layers_num_children(const struct layers *l, const char *path);

#endif
