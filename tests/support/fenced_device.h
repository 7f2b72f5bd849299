/* SPDX-License-Identifier: MIT */
/* A device whose memory the host cannot touch, for tests without a GPU: the CPU's operations behind a fence.
 *
 * Its memory can only be accessed while one of its operations runs: host code that reads or writes it is ended by
 * SIGSEGV. An operation that is handed anything else than its own memory where device memory is due fails with
 * CYF_ERR_INTERNAL naming the slot and the argument. What may come late comes as late as it may. Scalars (ret_...) and
 * downloads are written by synchronize or event_synchronize, and hold 0xFF bytes until then. Asynchronous uploads
 * happen when their event is awaited. Between graph_begin and graph_end everything that is forbidden there fails.
 * Results are the CPU device's, bit for bit. */
#ifndef CYF_TESTS_SUPPORT_FENCED_DEVICE_H
#define CYF_TESTS_SUPPORT_FENCED_DEVICE_H

#include "kernels/backend.h"

/* Makes a fenced device of the CPU device, which it owns from then on, also on failure. */
cyf_status fenced_device_create(cyf_device *cpu, cyf_device **ret_device);

/* Counts over all fenced devices of this process: operations done, calls of synchronize, and allocations that were not
 * freed when their device was destroyed. */
int64_t fenced_device_operations(void);
int64_t fenced_device_waits(void);
int64_t fenced_device_leaks(void);

#endif
