/* SPDX-License-Identifier: LGPL-2.1-only */
/* What `xl save` may write of a guest, at random. */
#ifndef TESTS_IMAGE_GENERATE_H
#define TESTS_IMAGE_GENERATE_H

#include "guest.h"
#include "reference.h"

struct generated {
    uint8_t *data;
    size_t len;
    struct found found;
};

/*
 * docs/specs/libxl-migration-stream.pandoc and libxc-migration-stream.pandoc
 * in Xen: all kinds of records, in any order, bodies of any length; pages come
 * again in later iterations, the guest running between them.
 */
void generate(struct guest *g, uint64_t seed, struct generated *out);
/* The same, made wrong in some way; or something else entirely. */
void generate_strange(struct guest *g, uint64_t seed, struct generated *out);
/* One of a guest of its own, in the place of what out holds. */
void generate_alone(uint64_t seed, struct generated *out);
void generated_free(struct generated *out);

#endif
