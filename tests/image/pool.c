/* SPDX-License-Identifier: LGPL-2.1-only */
#include "pool.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/alloc.h"
#include "memimage/format.h"

#if ADDRESS_SANITIZED
#include <sanitizer/asan_interface.h>

#define SLOTS   64U
#define SLOT    (IMAGE_BLOCK + 16 * 1024)

void *__real_xls_calloc(size_t num, size_t size);
void *__wrap_xls_calloc(size_t num, size_t size);
void *__real_xls_realloc(void *old, size_t num, size_t size);
void *__wrap_xls_realloc(void *old, size_t num, size_t size);
void __real_free(void *p);
void __wrap_free(void *p);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t *slots;
/* The next that is free is the one that has been so for longest. */
static uint8_t *ring[SLOTS];
static unsigned first, num_free;

static void make_slots(void)
{
    slots = mmap(NULL, SLOTS * SLOT, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        abort();
    __asan_poison_memory_region(slots, SLOTS * SLOT);
    for (num_free = 0; num_free < SLOTS; num_free++)
        ring[num_free] = slots + num_free * SLOT + 8 * 1024;
}

static void *take(void)
{
    uint8_t *p = NULL;

    pthread_mutex_lock(&lock);
    if (!slots)
        make_slots();
    if (num_free) {
        p = ring[first];
        first = (first + 1) % SLOTS;
        num_free--;
        __asan_unpoison_memory_region(p, IMAGE_BLOCK);
    }
    pthread_mutex_unlock(&lock);
    return p;
}

void *__wrap_xls_calloc(size_t num, size_t size)
{
    void *p = num * size == IMAGE_BLOCK ? take() : NULL;

    return p ? memset(p, 0, IMAGE_BLOCK) : __real_xls_calloc(num, size);
}

void *__wrap_xls_realloc(void *old, size_t num, size_t size)
{
    void *p = !old && num * size == IMAGE_BLOCK ? take() : NULL;

    return p ? p : __real_xls_realloc(old, num, size);
}

void __wrap_free(void *p)
{
    size_t at = (uintptr_t)p - (uintptr_t)slots;

    if (!slots || at >= SLOTS * SLOT) {
        __real_free(p);
        return;
    }
    pthread_mutex_lock(&lock);
    if (at % SLOT != 8 * 1024 || __asan_address_is_poisoned(p))
        abort();
    __asan_poison_memory_region(p, IMAGE_BLOCK);
    ring[(first + num_free++) % SLOTS] = p;
    pthread_mutex_unlock(&lock);
}

unsigned pool_used(void)
{
    return slots ? SLOTS - num_free : 0;
}
#else
unsigned pool_used(void)
{
    return 0;
}
#endif
