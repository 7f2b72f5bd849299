/* zlib streams, whole buffers at a time (libdeflate). */
#ifndef CYF_DATA_DEFLATE_H
#define CYF_DATA_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>

/* Inflates a zlib stream that must give exactly n_to bytes. False where it does not, or is damaged, or there is no
 * memory. Thread-safe. */
bool cyf_inflate(const void *from, size_t n_from, void *to, size_t n_to);

#endif
