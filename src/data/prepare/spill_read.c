/* SPDX-License-Identifier: MIT */
/* Reading the spill back, bin by bin. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/memory.h"
#include "data/prepare/spill.h"

typedef struct unit_spill {
  char *path;
  cyf_spill_extent *extents;
  int64_t n_extents;
} unit_spill;

struct cyf_spill {
  unit_spill *unit;
  int64_t n_units, n_labels, n_genes;
  bool counts;
};

static cyf_status damaged(const char *path) {
  return CYF_FAIL(CYF_ERR_IO, "%s: the spill file is damaged; begin anew with --fresh", path);
}

static cyf_status open_file(const char *path, int flags, int *ret_file) {
  *ret_file = cyf_open_file(path, flags);
  return *ret_file >= 0 ? CYF_OK : CYF_FAIL(CYF_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
}

static cyf_status read_at(int file, const char *path, int64_t offset, int64_t n_bytes, void *bytes) {
  for (int64_t done = 0; done < n_bytes;) {
    const int64_t left = n_bytes - done;
    const size_t piece = (size_t)(left < CYF_SPILL_TRANSFER_BYTES ? left : CYF_SPILL_TRANSFER_BYTES);
    const ssize_t got = pread(file, (uint8_t *)bytes + done, piece, (off_t)(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CYF_FAIL(CYF_ERR_IO, "%s: reading failed: %s", path, strerror(errno));
    if (got == 0) return damaged(path);
    done += got;
  }
  return CYF_OK;
}

/* Reads summary and extents, into one piece of fresh memory, and the trailer behind them. */
static cyf_status read_tail(const char *path, uint8_t **ret_bytes, cyf_spill_trailer *trailer) {
  struct stat info;
  int file = -1;
  cyf_status status = CYF_OK;
  *ret_bytes = NULL;
  CYF_TRY(open_file(path, O_RDONLY, &file));
  const int64_t size = fstat(file, &info) == 0 ? (int64_t)info.st_size : 0, end = size - (int64_t)sizeof(*trailer);
  if (end < 0) {
    status = damaged(path);
    goto cleanup;
  }
  CYF_TRY_CLEANUP(read_at(file, path, end, sizeof(*trailer), trailer));
  const int64_t n = trailer->n_extents, extent_bytes = (int64_t)sizeof(cyf_spill_extent);
  if (trailer->magic != CYF_SPILL_MAGIC || trailer->summary_bytes < 0 || trailer->summary_bytes > end || n < 0 ||
      n > (end - trailer->summary_bytes) / extent_bytes) {
    status = damaged(path);
    goto cleanup;
  }
  const int64_t tail = trailer->summary_bytes + n * extent_bytes;
  CYF_TRY_CLEANUP(CYF_NEW(ret_bytes, tail));
  CYF_TRY_CLEANUP(read_at(file, path, end - tail, tail, *ret_bytes));
  uint64_t checksum = cyf_checksum(0, *ret_bytes, (size_t)trailer->summary_bytes);
  checksum = cyf_checksum(checksum, *ret_bytes + trailer->summary_bytes, (size_t)(n * extent_bytes));
  if (checksum != trailer->checksum) status = damaged(path);
cleanup:
  if (status != CYF_OK) cyf_free(*ret_bytes);
  close(file);
  return status;
}

cyf_status cyf_spill_read_summary(const char *directory, int64_t unit, uint8_t **ret_bytes, int64_t *ret_n_bytes) {
  char *path = NULL;
  cyf_spill_trailer trailer;
  CYF_TRY(cyf_spill_path(directory, unit, &path));
  const cyf_status status = read_tail(path, ret_bytes, &trailer);
  if (status == CYF_OK) *ret_n_bytes = trailer.summary_bytes;
  cyf_free(path);
  return status;
}

static cyf_status open_unit(const char *directory, int64_t number, unit_spill *unit) {
  uint8_t *bytes = NULL;
  cyf_spill_trailer trailer;
  CYF_TRY(cyf_spill_path(directory, number, &unit->path));
  CYF_TRY(read_tail(unit->path, &bytes, &trailer));
  unit->n_extents = trailer.n_extents;
  const cyf_status status = CYF_NEW(&unit->extents, unit->n_extents);
  if (status == CYF_OK)
    memcpy(unit->extents, bytes + trailer.summary_bytes, (size_t)unit->n_extents * sizeof(*unit->extents));
  cyf_free(bytes);
  return status;
}

cyf_status cyf_spill_open(const char *directory, int64_t n_units, int64_t n_labels, int64_t n_genes, bool counts,
                          cyf_spill **ret_spill) {
  *ret_spill = NULL;
  cyf_spill *spill = NULL;
  CYF_TRY(CYF_NEW(&spill, 1));
  cyf_status status = CYF_NEW(&spill->unit, n_units);
  spill->n_units = status == CYF_OK ? n_units : 0;
  spill->n_labels = n_labels;
  spill->n_genes = n_genes;
  spill->counts = counts;
  for (int64_t u = 0; u < n_units && status == CYF_OK; u++) status = open_unit(directory, u, &spill->unit[u]);
  if (status != CYF_OK) {
    cyf_spill_close(&spill);
    return status;
  }
  *ret_spill = spill;
  return CYF_OK;
}

void cyf_spill_close(cyf_spill **spill_at) {
  if (!spill_at || !*spill_at) return;
  cyf_spill *spill = *spill_at;
  for (int64_t u = 0; u < spill->n_units; u++) {
    cyf_free(spill->unit[u].path);
    cyf_free(spill->unit[u].extents);
  }
  cyf_free(spill->unit);
  cyf_free(*spill_at);
}

/* Appends the unit's extents of the bin to bytes + *used. */
static cyf_status read_unit(const unit_spill *unit, int64_t bin, uint8_t *bytes, int64_t *used) {
  int file = -1;
  cyf_status status = CYF_OK;
  int64_t offset = 0;
  for (int64_t e = 0; e < unit->n_extents && status == CYF_OK; offset += cyf_spill_room(unit->extents[e++].bytes)) {
    const cyf_spill_extent *extent = &unit->extents[e];
    if (extent->bin != bin) continue;
    if (file < 0) CYF_TRY(open_file(unit->path, O_RDONLY, &file));
    status = read_at(file, unit->path, offset, extent->bytes, bytes + *used);
    *used += extent->bytes;
  }
  if (file >= 0) close(file);
  return status;
}

cyf_status cyf_spill_read_bin(const cyf_spill *spill, int64_t bin, uint8_t **ret_bytes, int64_t *ret_n_bytes) {
  *ret_bytes = NULL;
  int64_t n_bytes = 0, used = 0;
  for (int64_t u = 0; u < spill->n_units; u++)
    for (int64_t e = 0; e < spill->unit[u].n_extents; e++)
      if (spill->unit[u].extents[e].bin == bin) n_bytes += spill->unit[u].extents[e].bytes;
  uint8_t *bytes = NULL;
  CYF_TRY(CYF_NEW(&bytes, n_bytes));
  cyf_status status = CYF_OK;
  for (int64_t u = 0; u < spill->n_units && status == CYF_OK; u++)
    status = read_unit(&spill->unit[u], bin, bytes, &used);
  if (status != CYF_OK) {
    cyf_free(bytes);
    return status;
  }
  *ret_bytes = bytes;
  *ret_n_bytes = n_bytes;
  return CYF_OK;
}

void cyf_spill_release_bin(const cyf_spill *spill, int64_t bin) {
  for (int64_t u = 0; u < spill->n_units; u++) {
    const unit_spill *unit = &spill->unit[u];
    int file = -1;
    int64_t offset = 0, room = 0;
    for (int64_t e = 0; e < unit->n_extents; e++, offset += room) {
      room = cyf_spill_room(unit->extents[e].bytes);
      if (unit->extents[e].bin != bin) continue;
      if (file < 0 && (file = cyf_open_file(unit->path, O_WRONLY)) < 0) return;
      if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)room) != 0) {
        close(file); /* the file system has no holes: the space comes back when the spill is removed */
        return;
      }
    }
    if (file >= 0) close(file);
  }
}

cyf_status cyf_spill_parse(const cyf_spill *spill, const uint8_t *bytes, int64_t n_bytes, int64_t *offset,
                           cyf_spill_record *ret_record) {
  const int64_t left = n_bytes - *offset, head = (int64_t)sizeof(cyf_spill_header) + 4 * spill->n_labels;
  cyf_spill_header header = {0};
  if (left >= head) memcpy(&header, bytes + *offset, sizeof(header));
  const int64_t total = head + (int64_t)header.name_bytes + (int64_t)header.packed_bytes;
  const int64_t least = (int64_t)header.nnz * (spill->counts ? 2 : 5); /* bytes an entry takes */
  const char *name = (const char *)bytes + *offset + head;
  if (header.name_bytes < 1 || total > left || (int64_t)header.packed_bytes < least ||
      name[header.name_bytes - 1] != '\0')
    return damaged(spill->unit[0].path);
  *ret_record = (cyf_spill_record){.key = header.key,
                                   .nnz = header.nnz,
                                   .largest = header.largest,
                                   .codes = bytes + *offset + sizeof(header),
                                   .name = name,
                                   .packed = (const uint8_t *)name + header.name_bytes,
                                   .packed_bytes = header.packed_bytes};
  *offset += total;
  return CYF_OK;
}

/* As cyf_unpack_number, but fast for numbers of one byte, which most are. */
static inline const uint8_t *next_number(const uint8_t *from, const uint8_t *end, uint64_t *ret_number) {
  if (from < end && *from < 0x80) {
    *ret_number = *from;
    return from + 1;
  }
  return cyf_unpack_number(from, end, ret_number);
}

cyf_status cyf_spill_unpack(const cyf_spill *spill, const cyf_spill_record *record, int32_t *restrict ret_indices,
                            float *restrict ret_values) {
  const uint8_t *from = record->packed, *end = from + record->packed_bytes;
  const uint64_t n_genes = (uint64_t)spill->n_genes;
  uint64_t number = 0, next = 0;
  for (int64_t i = 0; i < record->nnz; i++) {
    from = next_number(from, end, &number);
    if (!from || number >= n_genes - next) return damaged(spill->unit[0].path);
    ret_indices[i] = (int32_t)(next + number);
    next += number + 1;
  }
  if (!spill->counts) {
    if (end - from != record->nnz * (int64_t)sizeof(float)) return damaged(spill->unit[0].path);
    memcpy(ret_values, from, (size_t)record->nnz * sizeof(float));
    return CYF_OK;
  }
  for (int64_t i = 0; i < record->nnz; i++) {
    from = next_number(from, end, &number);
    if (!from) return damaged(spill->unit[0].path);
    ret_values[i] = (float)(uint32_t)number;
  }
  return from == end ? CYF_OK : damaged(spill->unit[0].path);
}

/* ---- streaming ---- */

struct cyf_spill_stream {
  const cyf_spill *spill;
  int64_t bin, unit, extent, file_offset; /* where the next extent is to be looked for */
  uint8_t *bytes;
  int64_t capacity, n_bytes, offset;
};

cyf_status cyf_spill_stream_create(const cyf_spill *spill, int64_t bin, cyf_spill_stream **ret_stream) {
  CYF_TRY(CYF_NEW(ret_stream, 1));
  (*ret_stream)->spill = spill;
  (*ret_stream)->bin = bin;
  return CYF_OK;
}

static cyf_status read_extent(cyf_spill_stream *stream, const unit_spill *unit, int64_t offset, int64_t bytes) {
  if (bytes > stream->capacity) {
    CYF_TRY(cyf_realloc((void **)&stream->bytes, (size_t)bytes, 1));
    stream->capacity = bytes;
  }
  int file = -1;
  CYF_TRY(open_file(unit->path, O_RDONLY, &file));
  const cyf_status status = read_at(file, unit->path, offset, bytes, stream->bytes);
  close(file);
  stream->n_bytes = bytes;
  stream->offset = 0;
  return status;
}

/* Reads the next extent of the bin; *ret_more is false when there is none. */
static cyf_status next_extent(cyf_spill_stream *stream, bool *ret_more) {
  *ret_more = false;
  for (; stream->unit < stream->spill->n_units; stream->unit++, stream->extent = stream->file_offset = 0) {
    const unit_spill *unit = &stream->spill->unit[stream->unit];
    while (stream->extent < unit->n_extents) {
      const cyf_spill_extent *extent = &unit->extents[stream->extent++];
      const int64_t offset = stream->file_offset;
      stream->file_offset += cyf_spill_room(extent->bytes);
      if (extent->bin != stream->bin) continue;
      *ret_more = true;
      return read_extent(stream, unit, offset, extent->bytes);
    }
  }
  return CYF_OK;
}

cyf_status cyf_spill_stream_next(cyf_spill_stream *stream, cyf_spill_record *ret_record, bool *ret_more) {
  *ret_more = true;
  if (stream->offset == stream->n_bytes) CYF_TRY(next_extent(stream, ret_more));
  if (!*ret_more) return CYF_OK;
  return cyf_spill_parse(stream->spill, stream->bytes, stream->n_bytes, &stream->offset, ret_record);
}

void cyf_spill_stream_destroy(cyf_spill_stream **stream) {
  if (!stream || !*stream) return;
  cyf_free((*stream)->bytes);
  cyf_free(*stream);
}
