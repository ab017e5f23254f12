/* SPDX-License-Identifier: LGPL-2.1-only */
#include "store/device.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"

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

static char *number_and_size(const char *path, dev_t dev)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint64_t size = 0;

    if (fd >= 0) {
        if (ioctl(fd, BLKGETSIZE64, &size))
            size = 0;
        close(fd);
    }
    return xls_asprintf("number %u:%u, %" PRIu64 " bytes", major(dev),
                        minor(dev), size);
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
    return text ? text : number_and_size(path, st.st_rdev);
}

bool device_is(const char *path, const char *identity)
{
    char *now = str_none(identity) ? NULL : device_identity(path);
    bool is = !now || str_same(now, identity);

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
    char *now;

    if (device_is(path, identity))
        return 0;
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
