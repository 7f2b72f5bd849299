/* SPDX-License-Identifier: MIT */
/* What a plain sequential read of the same files takes: the limit a loader is measured against. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "base/memory.h"
#include "bench/bench.h"

enum { READ_BYTES = 4 << 20 };

static cyf_status open_shard(const char *path, int *ret_file) {
  *ret_file = cyf_open_file(path, O_RDONLY);
  return *ret_file >= 0 ? CYF_OK : CYF_FAIL(CYF_ERR_INPUT, "%s: cannot be opened: %s", path, strerror(errno));
}

cyf_status cyf_bench_drop_cache(const cyf_atlas *atlas) {
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    int file = -1;
    CYF_TRY(open_shard(atlas->shards[s].path, &file));
    (void)fdatasync(file); /* only clean pages are dropped */
    const int failed = posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
    if (failed)
      return CYF_FAIL(CYF_ERR_IO, "%s: cannot be dropped from the page cache: %s", atlas->shards[s].path,
                      strerror(failed));
  }
  return CYF_OK;
}

static cyf_status read_shard(const char *path, uint8_t *buffer, int64_t *bytes) {
  int file = -1;
  CYF_TRY(open_shard(path, &file));
  (void)posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL);
  ssize_t got = 0;
  while ((got = read(file, buffer, READ_BYTES)) != 0) {
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) break;
    *bytes += got;
  }
  const int reason = errno;
  close(file);
  return got == 0 ? CYF_OK : CYF_FAIL(CYF_ERR_INPUT, "%s: reading failed: %s", path, strerror(reason));
}

cyf_status cyf_bench_read(const cyf_atlas *atlas, int rank, int size, int64_t *ret_bytes, double *ret_seconds) {
  uint8_t *buffer = NULL;
  CYF_TRY(CYF_NEW(&buffer, READ_BYTES));
  cyf_status status = CYF_OK;
  const double start = cyf_clock_s();
  *ret_bytes = 0;
  for (int64_t s = rank; s < atlas->n_shards && status == CYF_OK; s += size)
    status = read_shard(atlas->shards[s].path, buffer, ret_bytes);
  *ret_seconds = cyf_clock_s() - start;
  cyf_free(buffer);
  return status;
}
