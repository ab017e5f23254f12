/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * AddressSanitizer maps and unmaps each block of an image, which takes most of
 * a test's time. With it, they come from here instead, between poisoned zones
 * and poisoned while they are free; linked with POOL_WRAP.
 */
#ifndef TESTS_IMAGE_POOL_H
#define TESTS_IMAGE_POOL_H

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define ADDRESS_SANITIZED 1
#else
#define ADDRESS_SANITIZED 0
#endif

/* How many blocks are in use. */
unsigned pool_used(void);

#endif
