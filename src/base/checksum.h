/* SPDX-License-Identifier: MIT */
/** @file
 * The 64-bit checksum that files carry. */
#ifndef CYF_BASE_CHECKSUM_H
#define CYF_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/** 64-bit checksum of bytes, the same on every machine; not cryptographic. Passing one call's result as the next one's
 * seed chains pieces (the cuts between pieces count). The format is described in checksum.c. */
uint64_t cyf_checksum(uint64_t seed, const void *bytes, size_t size);

#endif
