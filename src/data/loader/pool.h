/* SPDX-License-Identifier: MIT */
/** @file
 * A few threads that share the items of one loop at a time and sleep in between. OpenMP's threads would spin while they
 * wait, and take the CPUs from the fetchers and from the training step. Not collective. */
#ifndef CYF_DATA_LOADER_POOL_H
#define CYF_DATA_LOADER_POOL_H

#include <stdint.h>

#include "base/status.h"

/** The threads. */
typedef struct cyf_loader_pool cyf_loader_pool;

/** Works on items [first, end). Called from any of the threads. */
typedef cyf_status (*cyf_pool_work)(void *context, int64_t first, int64_t end);

/** Starts n_threads - 1 threads; the caller's own is the last. Errors: CYF_ERR_MEMORY. */
cyf_status cyf_loader_pool_create(int n_threads, cyf_loader_pool **ret_pool);
/** Stops the threads and frees the pool; NULL-safe, sets NULL. */
void cyf_loader_pool_destroy(cyf_loader_pool **pool);
/** Shares the items [first, end) out to the threads, `piece` at a time, and returns when all are done. Called from one
 * thread at a time. Errors: the status and message of the call of `work` that failed first. */
cyf_status cyf_loader_pool_run(cyf_loader_pool *pool, int64_t first, int64_t end, int64_t piece, cyf_pool_work work,
                               void *context);

#endif
