/* SPDX-License-Identifier: MIT */
/* Writing the spill. */
#include "data/prepare/spill.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/files.h"
#include "base/memory.h"
#include "base/partial.h"

typedef struct bin_buffer {
  uint8_t *bytes;
  int64_t used;
} bin_buffer;

struct cyf_spill_writer {
  int64_t n_bins, n_labels, buffer_bytes;
  bool counts;
  bin_buffer *bin;
  uint8_t *record; /* scratch for packing one record */
  int64_t record_capacity;
  /* the unit that is being written */
  char *path;
  cyf_partial partial;
  int file;
  int64_t file_bytes;
  cyf_spill_extent *extents;
  int64_t n_extents, extents_capacity;
};

cyf_status cyf_spill_path(const char *directory, int64_t unit, char **ret_path) {
  return cyf_format(ret_path, "%s/unit-%06lld.cells", directory, (long long)unit);
}

cyf_status cyf_spill_has_unit(const char *directory, int64_t unit, bool *ret_has) {
  char *path = NULL;
  CYF_TRY(cyf_spill_path(directory, unit, &path));
  const cyf_status status = cyf_file_exists(path, ret_has);
  cyf_free(path);
  return status;
}

static void close_unit(cyf_spill_writer *writer) {
  if (writer->file >= 0) close(writer->file);
  writer->file = -1;
  cyf_partial_discard(&writer->partial);
  cyf_free(writer->path);
}

void cyf_spill_writer_destroy(cyf_spill_writer **writer_at) {
  if (!writer_at || !*writer_at) return;
  cyf_spill_writer *writer = *writer_at;
  close_unit(writer);
  for (int64_t b = 0; writer->bin && b < writer->n_bins; b++) cyf_free(writer->bin[b].bytes);
  cyf_free(writer->bin);
  cyf_free(writer->extents);
  cyf_free(writer->record);
  cyf_free(*writer_at);
}

cyf_status cyf_spill_writer_create(int64_t n_bins, int64_t n_labels, bool counts, int64_t buffer_bytes,
                                   cyf_spill_writer **ret_writer) {
  *ret_writer = NULL;
  cyf_spill_writer *writer = NULL;
  CYF_TRY(CYF_NEW(&writer, 1));
  writer->file = -1;
  writer->partial = CYF_PARTIAL_NONE;
  writer->n_bins = n_bins;
  writer->n_labels = n_labels;
  writer->counts = counts;
  writer->buffer_bytes = buffer_bytes;
  const cyf_status status = CYF_NEW(&writer->bin, n_bins);
  if (status != CYF_OK) {
    cyf_spill_writer_destroy(&writer);
    return status;
  }
  *ret_writer = writer;
  return CYF_OK;
}

cyf_status cyf_spill_begin(cyf_spill_writer *writer, const char *directory, int64_t unit) {
  close_unit(writer);
  writer->file_bytes = writer->n_extents = 0;
  for (int64_t b = 0; b < writer->n_bins; b++) writer->bin[b].used = 0;
  CYF_TRY(cyf_spill_path(directory, unit, &writer->path));
  return cyf_partial_create(writer->path, &writer->partial, &writer->file);
}

static cyf_status write_fully(cyf_spill_writer *writer, const void *bytes, int64_t n_bytes) {
  for (int64_t done = 0; done < n_bytes;) {
    const int64_t left = n_bytes - done;
    const size_t piece = (size_t)(left < CYF_SPILL_TRANSFER_BYTES ? left : CYF_SPILL_TRANSFER_BYTES);
    const ssize_t wrote =
        pwrite(writer->file, (const uint8_t *)bytes + done, piece, (off_t)(writer->file_bytes + done));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0)
      return CYF_FAIL(CYF_ERR_IO, "%s: writing failed: %s", writer->path, strerror(wrote < 0 ? errno : EIO));
    done += wrote;
  }
  writer->file_bytes += n_bytes;
  return CYF_OK;
}

static cyf_status write_extent(cyf_spill_writer *writer, int64_t bin, const uint8_t *bytes, int64_t n_bytes) {
  if (n_bytes == 0) return CYF_OK;
  if (writer->n_extents == writer->extents_capacity) {
    const int64_t capacity = writer->extents_capacity ? 2 * writer->extents_capacity : 256;
    CYF_TRY(cyf_realloc((void **)&writer->extents, (size_t)capacity, sizeof(*writer->extents)));
    writer->extents_capacity = capacity;
  }
  writer->extents[writer->n_extents++] = (cyf_spill_extent){(uint32_t)bin, (uint32_t)n_bytes};
  CYF_TRY(write_fully(writer, bytes, n_bytes));
  /* The gap up to the next extent is not written. */
  writer->file_bytes = cyf_spill_room(writer->file_bytes);
  return CYF_OK;
}

static cyf_status flush_bin(cyf_spill_writer *writer, int64_t b) {
  bin_buffer *bin = &writer->bin[b];
  CYF_TRY(write_extent(writer, b, bin->bytes, bin->used));
  bin->used = 0;
  return CYF_OK;
}

/* Packs the gaps between genes, then the values, and returns where they end. */
static uint8_t *pack_values(const cyf_spill_cell *cell, bool counts, uint8_t *to, float *ret_largest) {
  float largest = 0;
  int32_t next = 0;
  for (int64_t i = 0; i < cell->nnz; i++) {
    const uint32_t gap = (uint32_t)(cell->indices[i] - next);
    next = cell->indices[i] + 1;
    if (gap < 0x80) {
      *to++ = (uint8_t)gap;
    } else {
      to = cyf_pack_number(gap, to);
    }
  }
  for (int64_t i = 0; i < cell->nnz; i++) largest = cell->values[i] > largest ? cell->values[i] : largest;
  *ret_largest = largest;
  if (!counts) {
    memcpy(to, cell->values, (size_t)cell->nnz * sizeof(float));
    return to + cell->nnz * (int64_t)sizeof(float);
  }
  for (int64_t i = 0; i < cell->nnz; i++) {
    const uint32_t count = (uint32_t)cell->values[i];
    if (count < 0x80) {
      *to++ = (uint8_t)count;
    } else {
      to = cyf_pack_number(count, to);
    }
  }
  return to;
}

/* Packs a cell into the scratch record, of *ret_bytes bytes. */
static cyf_status pack_cell(cyf_spill_writer *writer, const cyf_spill_cell *cell, int64_t *ret_bytes) {
  enum { ENTRY_BYTES_MOST = 10 }; /* five for a gap, five for a count */
  const int64_t name_bytes = (int64_t)strlen(cell->name) + 1;
  const int64_t most =
      (int64_t)sizeof(cyf_spill_header) + 4 * writer->n_labels + name_bytes + ENTRY_BYTES_MOST * cell->nnz;
  if (most > writer->record_capacity) {
    CYF_TRY(cyf_realloc((void **)&writer->record, (size_t)most, 1));
    writer->record_capacity = most;
  }
  uint8_t *to = writer->record + sizeof(cyf_spill_header);
  if (writer->n_labels > 0) memcpy(to, cell->codes, (size_t)writer->n_labels * 4);
  to += 4 * writer->n_labels;
  memcpy(to, cell->name, (size_t)name_bytes);
  to += name_bytes;
  cyf_spill_header header = {.key = cell->key, .nnz = (uint32_t)cell->nnz, .name_bytes = (uint32_t)name_bytes};
  uint8_t *end = pack_values(cell, writer->counts, to, &header.largest);
  header.packed_bytes = (uint32_t)(end - to);
  memcpy(writer->record, &header, sizeof(header));
  *ret_bytes = end - writer->record;
  return CYF_OK;
}

cyf_status cyf_spill_append(cyf_spill_writer *writer, int64_t bin, const cyf_spill_cell *cell) {
  bin_buffer *buffer = &writer->bin[bin];
  int64_t n_bytes = 0;
  CYF_TRY(pack_cell(writer, cell, &n_bytes));
  if (n_bytes > writer->buffer_bytes - buffer->used) CYF_TRY(flush_bin(writer, bin));
  /* A record that is larger than a buffer makes an extent of its own. */
  if (n_bytes > writer->buffer_bytes) return write_extent(writer, bin, writer->record, n_bytes);
  if (!buffer->bytes) CYF_TRY(CYF_NEW(&buffer->bytes, writer->buffer_bytes));
  memcpy(buffer->bytes + buffer->used, writer->record, (size_t)n_bytes);
  buffer->used += n_bytes;
  return CYF_OK;
}

cyf_status cyf_spill_finish(cyf_spill_writer *writer, const void *summary, int64_t summary_bytes) {
  for (int64_t b = 0; b < writer->n_bins; b++) CYF_TRY(flush_bin(writer, b));
  const int64_t extents_bytes = writer->n_extents * (int64_t)sizeof(cyf_spill_extent);
  cyf_spill_trailer trailer = {.n_extents = writer->n_extents,
                               .summary_bytes = summary_bytes,
                               .checksum = cyf_checksum(0, summary, (size_t)summary_bytes),
                               .magic = CYF_SPILL_MAGIC};
  trailer.checksum = cyf_checksum(trailer.checksum, writer->extents, (size_t)extents_bytes);
  CYF_TRY(write_fully(writer, summary, summary_bytes));
  CYF_TRY(write_fully(writer, writer->extents, extents_bytes));
  CYF_TRY(write_fully(writer, &trailer, sizeof(trailer)));
  if (!cyf_close_file(&writer->file))
    return CYF_FAIL(CYF_ERR_IO, "%s: writing failed: %s", writer->path, strerror(errno));
  const cyf_status status = cyf_partial_commit(&writer->partial, writer->path);
  close_unit(writer);
  return status;
}
