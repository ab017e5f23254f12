/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/device.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/alloc.h"

/* A line of a file in the device's directory in sysfs; NULL: none. */
static char *attribute(dev_t dev, const char *name)
{
    char *path = xls_asprintf("/sys/dev/block/%u:%u/%s", major(dev),
                              minor(dev), name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[512];
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof(text));

    if (fd >= 0)
        close(fd);
    free(path);
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    return len > 0 ? xls_memdup0(text, len) : NULL;
}

/* 0: not known. */
static uint64_t size_of(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint64_t size = 0;

    if (fd >= 0) {
        if (ioctl(fd, BLKGETSIZE64, &size))
            size = 0;
        close(fd);
    }
    return size;
}

/* Whether only the size is known; earlier versions wrote the device's number
 * before it, which is another one after the host's next start. */
static bool is_size(const char *identity, uint64_t *size)
{
    unsigned int number[2];
    int numbers = 0, end = 0;

    if (sscanf(identity, "number %u:%u, %n", &number[0], &number[1],
               &numbers) == 2)
        identity += numbers;
    return sscanf(identity, "%" SCNu64 " bytes%n", size, &end) == 1 && end &&
        !identity[end];
}

char *device_identity(const char *path)
{
    static const struct {
        const char *file, *what;
    } known[] = {
        { "dm/uuid", "device-mapper" }, { "loop/backing_file", "loop" },
        { "wwid", "disk" }, { "device/wwid", "disk" },
        { "serial", "disk" }, { "device/serial", "disk" },
        { "../wwid", "partition of" }, { "../device/wwid", "partition of" },
        { "../serial", "partition of" },
    };
    char *text = NULL, *value, *part;
    struct stat st;
    size_t i;

    if (stat(path, &st) || !S_ISBLK(st.st_mode))
        return NULL;
    part = attribute(st.st_rdev, "partition");
    for (i = 0; !text && i < sizeof(known) / sizeof(known[0]); i++) {
        /* Above a whole disk there are other things. */
        if (!part == !strncmp(known[i].file, "../", 3))
            continue;
        value = attribute(st.st_rdev, known[i].file);
        if (value)
            text = xls_asprintf("%s %s%s%s", known[i].what, value,
                                part ? ", number " : "", part ? part : "");
        free(value);
    }
    free(part);
    return text ? text : xls_asprintf("%" PRIu64 " bytes", size_of(path));
}

bool device_is(const char *path, const char *identity)
{
    uint64_t size, size_now;
    char *now;
    bool is;

    if (str_none(identity))
        return true;
    if (is_size(identity, &size)) {
        size_now = size_of(path);
        return !size || !size_now || size == size_now;
    }
    now = device_identity(path);
    is = !now || str_same(now, identity);
    free(now);
    return is;
}

void device_note_disk(xl_snapshot_disk *disk)
{
    char *now = str_none(disk->device) && !str_none(disk->layer_path)
        ? device_identity(disk->layer_path) : NULL;

    if (now)
        str_replace(&disk->device, now);
    free(now);
}

void device_note(xl_snapshot_record *rec)
{
    int i;

    for (i = 0; i < rec->num_disks; i++)
        device_note_disk(&rec->disks[i]);
}

static int check(const char *domain, const char *vdev, const char *path,
                 const char *identity, struct error *e)
{
    uint64_t size;
    char *now;

    if (device_is(path, identity))
        return 0;
    if (is_size(identity, &size))
        return error_set(e, "disk %s of %s: the block device %s has %" PRIu64
                         " bytes, not %" PRIu64 " as the one that the "
                         "snapshots are on. If that is at another path now: "
                         "'xl snapshot-relocate %s %s NEW'; if it was "
                         "resized, give it its former size again",
                         vdev, domain, path, size_of(path), size, domain,
                         path);
    now = device_identity(path);
    error_set(e, "disk %s of %s: %s is another block device now than the one "
              "that the snapshots are on: %s, not %s. Have the path lead to "
              "that one (for volumes: vgchange, lvchange), and try again",
              vdev, domain, path, now ? now : "none", identity);
    free(now);
    return -1;
}

int device_check(const struct store *st, struct error *e)
{
    int i, j;

    for (i = 0; i < st->num_records; i++)
        for (j = 0; j < st->records[i]->num_disks; j++) {
            const xl_snapshot_disk *d = &st->records[i]->disks[j];

            if (check(st->domain, d->vdev, d->layer_path, d->device, e))
                return -1;
        }
    return 0;
}
