/* SPDX-License-Identifier: MIT */
/** @file
 * A few threads that share the items of one loop at a time, asleep in between. OpenMP's threads would spin while they
 * wait, and take the CPUs from the fetchers and from the training step. */
#ifndef CYF_DATA_LOADER_POOL_H
#define CYF_DATA_LOADER_POOL_H

#include <stdint.h>

#include "base/status.h"

typedef struct cyf_loader_pool cyf_loader_pool;

/** Works on items [first, end). Called from any of the threads. */
typedef cyf_status (*cyf_pool_work)(void *context, int64_t first, int64_t end);

/** n_threads counts the caller's: n_threads - 1 are started. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_loader_pool_create(int n_threads, cyf_loader_pool **ret_pool);
void cyf_loader_pool_destroy(cyf_loader_pool **pool); /**< NULL-safe */
/** Shares items [first, end) out in pieces of `piece` and returns when all are done: the status and message of the
 * piece that failed first, where one failed. From one thread at a time. */
cyf_status cyf_loader_pool_run(cyf_loader_pool *pool, int64_t first, int64_t end, int64_t piece, cyf_pool_work work,
                               void *context);

#endif
