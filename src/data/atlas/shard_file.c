/* SPDX-License-Identifier: MIT */
/* Plain reads of a shard's file by address: bounds of rows, labels, and the bytes of stored chunks. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/atlas/shard.h"

enum {
  OPEN_PARTS_MAX = 128,    /* whose files one loader keeps open */
  READ_BYTES_MAX = 1 << 30 /* Linux moves at most 2 GiB - 4 KiB a call */
};

static void close_files(cyf_shard_part *part) {
  if (part->file >= 0) close(part->file);
  if (part->direct_file >= 0) close(part->direct_file);
  part->file = part->direct_file = -1;
}

/* Closes the files of the part that was not used for longest. */
static void make_room(cyf_shard_set *set) {
  cyf_shard_part *oldest = NULL;
  for (int64_t p = 0; p < set->n_parts; p++) {
    cyf_shard_part *other = &set->part[p];
    if (other->file >= 0 && other->n_users == 0 && (!oldest || other->last_used < oldest->last_used)) oldest = other;
  }
  if (!oldest) return;
  close_files(oldest);
  set->n_parts_open--;
}

static cyf_status open_files(cyf_shard_set *set, cyf_shard_part *part) {
  if (set->n_parts_open >= OPEN_PARTS_MAX) make_room(set);
  part->file = cyf_open_file(part->path, O_RDONLY);
  if (part->file < 0)
    return CYF_FAIL(cyf_input_error(errno), "%s: cannot open the shard: %s", part->path, strerror(errno));
  set->n_parts_open++;
  /* Blocks ask for exactly the bytes they need; what the system reads ahead by its own guess would be read in vain. */
  (void)posix_fadvise(part->file, 0, 0, POSIX_FADV_RANDOM);
  /* Where this fails, as on one file system of several, reads take the other descriptor. */
  if (set->io == CYF_LOADER_DIRECT) part->direct_file = cyf_open_file(part->path, O_RDONLY | O_DIRECT);
  return CYF_OK;
}

cyf_status cyf_shard_part_acquire(cyf_shard_set *set, cyf_shard_part *part) {
  pthread_mutex_lock(&set->mutex);
  part->last_used = ++set->clock;
  const cyf_status status = part->file >= 0 ? CYF_OK : open_files(set, part);
  if (status == CYF_OK) part->n_users++;
  pthread_mutex_unlock(&set->mutex);
  return status;
}

void cyf_shard_part_release(cyf_shard_set *set, cyf_shard_part *part) {
  pthread_mutex_lock(&set->mutex);
  part->n_users--;
  pthread_mutex_unlock(&set->mutex);
}

cyf_status cyf_shard_part_check(const cyf_shard_part *part) {
  cyf_file_identity now;
  CYF_TRY(cyf_file_identify_open(part->file, part->path, &now));
  return cyf_file_check_same(part->path, &part->identity, &now);
}

void cyf_shard_set_close(cyf_shard_set *set) {
  if (!set || !set->atlas) return;
  for (int64_t p = 0; p < set->n_parts; p++) {
    cyf_shard_part *part = &set->part[p];
    close_files(part);
    if (set->io == CYF_LOADER_MPIO) cyf_shard_part_close_hdf5(part);
    cyf_free(part->codes);
    cyf_free(part->indices.run);
    cyf_free(part->data.run);
    cyf_file_sums_destroy(&part->sums);
  }
  cyf_free(set->part);
  cyf_free(set->scratch);
  pthread_mutex_destroy(&set->mutex);
  memset(set, 0, sizeof(*set));
}

cyf_shard_part *cyf_shard_set_find(cyf_shard_set *set, int64_t cell) {
  int64_t low = 0, high = set->n_parts;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    cyf_shard_part *part = &set->part[middle];
    if (cell < part->first_cell) {
      high = middle;
    } else if (cell >= part->first_cell + part->n_cells) {
      low = middle + 1;
    } else {
      return part;
    }
  }
  return NULL;
}

cyf_status cyf_shard_read_bytes(const cyf_shard_part *part, int64_t address, int64_t n_bytes, uint8_t *ret_bytes) {
  int64_t done = 0;
  while (done < n_bytes) {
    const int64_t left = n_bytes - done;
    const ssize_t got = pread(part->file, ret_bytes + done, (size_t)(left < READ_BYTES_MAX ? left : READ_BYTES_MAX),
                              (off_t)(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CYF_FAIL(CYF_ERR_IO, "%s: reading failed: %s", part->path, strerror(errno));
    if (got == 0)
      return CYF_FAIL(CYF_ERR_INPUT, "%s: the shard is truncated (ends before byte %lld)", part->path,
                      (long long)(address + n_bytes));
    done += got;
  }
  return CYF_OK;
}

cyf_status cyf_shard_read_bytes_directly(const cyf_shard_part *part, int64_t address, int64_t n_bytes,
                                         uint8_t *ret_bytes) {
  const int64_t n_aligned = (n_bytes + CYF_DIRECT_ALIGNMENT - 1) / CYF_DIRECT_ALIGNMENT * CYF_DIRECT_ALIGNMENT;
  int64_t done = 0;
  while (part->direct_file >= 0 && done < n_bytes && done % CYF_DIRECT_ALIGNMENT == 0) {
    const int64_t left = n_aligned - done;
    const ssize_t got = pread(part->direct_file, ret_bytes + done,
                              (size_t)(left < READ_BYTES_MAX ? left : READ_BYTES_MAX), (off_t)(address + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    done += got;
  }
  /* The rest, if there is any, is read by the other descriptor. What it reports, such as a truncated file, is right. */
  return done >= n_bytes ? CYF_OK : cyf_shard_read_bytes(part, address + done, n_bytes - done, ret_bytes + done);
}

bool cyf_shard_set_read_directly(cyf_shard_set *set) {
  if (set->n_parts == 0) return false;
  void *page = NULL;
  const int file = cyf_open_file(set->part[0].path, O_RDONLY | O_DIRECT);
  /* Some file systems take the flag and refuse the read. */
  const bool can = file >= 0 && posix_memalign(&page, CYF_DIRECT_ALIGNMENT, CYF_DIRECT_ALIGNMENT) == 0 &&
                   pread(file, page, CYF_DIRECT_ALIGNMENT, 0) > 0;
  free(page);
  if (file >= 0) close(file);
  if (can) set->io = CYF_LOADER_DIRECT;
  return can;
}

/* Elements [first, first + n) of a plain array as they are stored, in the set's scratch memory. */
static cyf_status read_plain(cyf_shard_set *set, cyf_shard_part *part, const cyf_plain_array *array, int64_t first,
                             int64_t n) {
  const int64_t n_bytes = n * array->width;
  if (n_bytes > set->scratch_bytes) {
    CYF_TRY(cyf_realloc((void **)&set->scratch, (size_t)n_bytes, 1));
    set->scratch_bytes = n_bytes;
  }
  CYF_TRY(cyf_shard_part_acquire(set, part));
  const int64_t address = array->address + first * array->width;
  cyf_status status = cyf_shard_read_bytes(part, address, n_bytes, set->scratch);
  if (status == CYF_OK && part->sums.n > 0 && set->atlas->verify == CYF_VERIFY_ALWAYS)
    status = cyf_file_sums_compare_span(&part->sums, part->file, part->path, address, n_bytes);
  if (status == CYF_OK) status = cyf_shard_part_check(part);
  cyf_shard_part_release(set, part);
  return status;
}

/* Asks the system to read the array ahead. This is only advice: where it is not taken, the reads wait. */
static void advise(const cyf_shard_part *part, const cyf_plain_array *array, int64_t n) {
  (void)posix_fadvise(part->file, (off_t)(array->address + (part->first_cell - part->shard_first_cell) * array->width),
                      (off_t)(n * array->width), POSIX_FADV_WILLNEED);
}

cyf_status cyf_shard_set_read_ahead(cyf_shard_set *set) {
  for (int64_t p = 0; p < set->n_parts; p++) {
    cyf_shard_part *part = &set->part[p];
    CYF_TRY(cyf_shard_part_acquire(set, part));
    advise(part, &part->indptr, part->n_cells + 1);
    for (int64_t a = 0; a < set->atlas->n_attributes; a++) advise(part, &part->codes[a], part->n_cells);
    cyf_shard_part_release(set, part);
  }
  return CYF_OK;
}

static int64_t plain_number(const uint8_t *bytes, int64_t width, int64_t i) {
  int64_t number = 0;
  memcpy(&number, bytes + i * width, (size_t)width); /* little-endian, as this machine */
  const int unused = 64 - 8 * (int)width;
  return (int64_t)((uint64_t)number << unused) >> unused; /* the sign */
}

cyf_status cyf_shard_read_codes(cyf_shard_set *set, int64_t attribute, int64_t first, int64_t end, int32_t *ret_codes) {
  const int64_t n_categories = set->atlas->attributes[attribute].categories.n;
  while (first < end) {
    cyf_shard_part *part = cyf_shard_set_find(set, first);
    if (!part) return CYF_FAIL(CYF_ERR_INTERNAL, "cell %lld is not of this rank", (long long)first);
    const int64_t part_end = part->first_cell + part->n_cells, n = (end < part_end ? end : part_end) - first;
    const cyf_plain_array *array = &part->codes[attribute];
    CYF_TRY(read_plain(set, part, array, first - part->shard_first_cell, n));
    for (int64_t i = 0; i < n; i++) {
      const int64_t code = plain_number(set->scratch, array->width, i);
      if (code < -1 || code >= n_categories)
        return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: cell %lld has the code %lld of %lld labels \"%s\"", part->path,
                        (long long)(first + i), (long long)code, (long long)n_categories,
                        set->atlas->attributes[attribute].name);
      *ret_codes++ = (int32_t)code;
    }
    first += n;
  }
  return CYF_OK;
}

cyf_status cyf_shard_read_bounds(cyf_shard_set *set, cyf_shard_part *part, int64_t first, int64_t end,
                                 int64_t *ret_bounds) {
  const int64_t n = end - first;
  CYF_TRY(read_plain(set, part, &part->indptr, first - part->shard_first_cell, n + 1));
  int64_t before = part->first_entry;
  bool sound = true;
  for (int64_t i = 0; i <= n; i++) {
    ret_bounds[i] = plain_number(set->scratch, part->indptr.width, i);
    sound = sound && ret_bounds[i] >= before;
    before = ret_bounds[i];
  }
  if (!sound || before > part->first_entry + part->n_entries)
    return CYF_FAIL(CYF_ERR_INPUT, "%s: damaged: X/indptr does not ascend within the entries", part->path);
  return CYF_OK;
}
