/* SPDX-License-Identifier: MIT */
/* A device whose memory the host cannot touch, for tests without a GPU: the CPU's operations behind a fence.
 *
 * Its memory can only be accessed while one of its operations runs: host code that reads or writes it is ended by
 * SIGSEGV. An operation that is handed anything else than its own memory where device memory is due fails with
 * CYF_ERR_INTERNAL naming the slot and the argument. What may come late comes as late as it may: ret_ scalars and
 * downloads are written by synchronize (event_synchronize) and hold 0xFF bytes until then; asynchronous uploads happen
 * when their event is awaited. Between graph_begin and graph_end everything that is forbidden there fails. Results are
 * the CPU device's, bit for bit. */
#ifndef CYF_TESTS_SUPPORT_FENCED_DEVICE_H
#define CYF_TESTS_SUPPORT_FENCED_DEVICE_H

#include "kernels/backend.h"

/* Takes the CPU device over (also on failure); both end with cyf_device_destroy. */
cyf_status fenced_device_create(cyf_device *cpu, cyf_device **ret_device);

/* Of all fenced devices of this process: operations done, waits for all of them (synchronize), and allocations not
 * freed when their device ended. */
int64_t fenced_device_operations(void);
int64_t fenced_device_waits(void);
int64_t fenced_device_leaks(void);

#endif
