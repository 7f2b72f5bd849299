#include "data/prepare_spill.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum {
  BUFFER_BYTES_MOST = 1 << 20, /* of one bin */
  BUFFER_BYTES_LEAST = 1 << 16,
  BUFFERS_BYTES = 1 << 28,      /* of all bins of a rank together, about */
  TRANSFER_BYTES_MAX = 1 << 30, /* Linux moves at most 2 GiB - 4 KiB a call */
  ALIGNMENT = 8                 /* records begin at multiples of this */
};

typedef struct record_header {
  uint64_t key;
  int64_t nnz;
  int64_t name_bytes; /* with the terminating NUL */
} record_header;

typedef struct extent {
  int64_t bin, offset, bytes;
} extent;

typedef struct bin_buffer {
  uint8_t *bytes;
  int64_t used;
} bin_buffer;

struct cyf_spill_writer {
  char *path, *extents_path;
  int file;
  int64_t file_bytes;
  int64_t n_bins, n_labels, buffer_bytes;
  bin_buffer *bin;
  extent *extents;
  int64_t n_extents, extents_capacity;
  uint8_t *record; /* scratch */
  int64_t record_capacity;
};

static cyf_status spill_paths(const char *directory, int rank, char **ret_path, char **ret_extents_path) {
  CYF_TRY(cyf_format(ret_path, "%s/rank-%05d.cells", directory, rank));
  return cyf_format(ret_extents_path, "%s/rank-%05d.extents", directory, rank);
}

static cyf_status write_fully(int file, const char *path, const void *bytes, int64_t n_bytes) {
  int64_t done = 0;
  while (done < n_bytes) {
    const int64_t left = n_bytes - done;
    const ssize_t wrote =
        write(file, (const uint8_t *)bytes + done, (size_t)(left < TRANSFER_BYTES_MAX ? left : TRANSFER_BYTES_MAX));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return CYF_FAIL(CYF_ERR_IO, "%s: writing failed: %s", path, strerror(errno));
    done += wrote;
  }
  return CYF_OK;
}

cyf_status cyf_spill_writer_create(const char *directory, int rank, int64_t n_bins, int64_t n_labels,
                                   cyf_spill_writer **ret_writer) {
  *ret_writer = NULL;
  cyf_spill_writer *writer = NULL;
  cyf_status status = CYF_OK;
  CYF_TRY(CYF_NEW(&writer, 1));
  writer->file = -1;
  writer->n_bins = n_bins;
  writer->n_labels = n_labels;
  writer->buffer_bytes = BUFFERS_BYTES / n_bins / ALIGNMENT * ALIGNMENT;
  if (writer->buffer_bytes > BUFFER_BYTES_MOST) writer->buffer_bytes = BUFFER_BYTES_MOST;
  if (writer->buffer_bytes < BUFFER_BYTES_LEAST) writer->buffer_bytes = BUFFER_BYTES_LEAST;
  CYF_TRY_CLEANUP(CYF_NEW(&writer->bin, n_bins));
  CYF_TRY_CLEANUP(spill_paths(directory, rank, &writer->path, &writer->extents_path));
  writer->file = open(writer->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (writer->file < 0) {
    status = CYF_FAIL(CYF_ERR_IO, "%s: cannot be made: %s", writer->path, strerror(errno));
    goto cleanup;
  }
  *ret_writer = writer;
  return CYF_OK;
cleanup:
  cyf_spill_writer_destroy(&writer);
  return status;
}

void cyf_spill_writer_destroy(cyf_spill_writer **writer_at) {
  if (!writer_at || !*writer_at) return;
  cyf_spill_writer *writer = *writer_at;
  if (writer->file >= 0) close(writer->file);
  for (int64_t b = 0; writer->bin && b < writer->n_bins; b++) cyf_free(writer->bin[b].bytes);
  cyf_free(writer->bin);
  cyf_free(writer->path);
  cyf_free(writer->extents_path);
  cyf_free(writer->extents);
  cyf_free(writer->record);
  cyf_free(*writer_at);
}

static cyf_status write_extent(cyf_spill_writer *writer, int64_t bin, const uint8_t *bytes, int64_t n_bytes) {
  if (writer->n_extents == writer->extents_capacity) {
    const int64_t capacity = writer->extents_capacity ? 2 * writer->extents_capacity : 256;
    CYF_TRY(cyf_realloc((void **)&writer->extents, (size_t)capacity, sizeof(*writer->extents)));
    writer->extents_capacity = capacity;
  }
  CYF_TRY(write_fully(writer->file, writer->path, bytes, n_bytes));
  writer->extents[writer->n_extents++] = (extent){bin, writer->file_bytes, n_bytes};
  writer->file_bytes += n_bytes;
  return CYF_OK;
}

static cyf_status flush_bin(cyf_spill_writer *writer, int64_t bin) {
  bin_buffer *buffer = &writer->bin[bin];
  if (buffer->used == 0) return CYF_OK;
  CYF_TRY(write_extent(writer, bin, buffer->bytes, buffer->used));
  buffer->used = 0;
  return CYF_OK;
}

static int64_t record_bytes(int64_t n_labels, int64_t nnz, int64_t name_bytes) {
  const int64_t bytes = (int64_t)sizeof(record_header) + 4 * n_labels + 8 * nnz + name_bytes;
  return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void pack_record(const cyf_spill_record *record, int64_t n_labels, int64_t name_bytes, int64_t n_bytes,
                        uint8_t *bytes) {
  const record_header header = {record->key, record->nnz, name_bytes};
  uint8_t *end = bytes;
  memcpy(end, &header, sizeof(header));
  end += sizeof(header);
  if (n_labels > 0) memcpy(end, record->codes, (size_t)n_labels * 4);
  end += 4 * n_labels;
  if (record->nnz > 0) {
    memcpy(end, record->indices, (size_t)record->nnz * 4);
    memcpy(end + 4 * record->nnz, record->values, (size_t)record->nnz * 4);
  }
  end += 8 * record->nnz;
  memcpy(end, record->name, (size_t)name_bytes);
  end += name_bytes;
  memset(end, 0, (size_t)(bytes + n_bytes - end));
}

cyf_status cyf_spill_append(cyf_spill_writer *writer, int64_t bin, const cyf_spill_record *record) {
  const int64_t name_bytes = (int64_t)strlen(record->name) + 1;
  const int64_t n_bytes = record_bytes(writer->n_labels, record->nnz, name_bytes);
  bin_buffer *buffer = &writer->bin[bin];
  if (n_bytes > writer->buffer_bytes - buffer->used) CYF_TRY(flush_bin(writer, bin));
  if (n_bytes > writer->buffer_bytes) { /* larger than any buffer: an extent of its own */
    if (n_bytes > writer->record_capacity) {
      CYF_TRY(cyf_realloc((void **)&writer->record, (size_t)n_bytes, 1));
      writer->record_capacity = n_bytes;
    }
    pack_record(record, writer->n_labels, name_bytes, n_bytes, writer->record);
    return write_extent(writer, bin, writer->record, n_bytes);
  }
  if (!buffer->bytes) CYF_TRY(CYF_NEW(&buffer->bytes, writer->buffer_bytes));
  pack_record(record, writer->n_labels, name_bytes, n_bytes, buffer->bytes + buffer->used);
  buffer->used += n_bytes;
  return CYF_OK;
}

cyf_status cyf_spill_writer_finish(cyf_spill_writer *writer) {
  for (int64_t b = 0; b < writer->n_bins; b++) {
    CYF_TRY(flush_bin(writer, b));
    cyf_free(writer->bin[b].bytes);
  }
  const int cells_file = writer->file;
  writer->file = -1;
  if (close(cells_file) != 0) return CYF_FAIL(CYF_ERR_IO, "%s: writing failed: %s", writer->path, strerror(errno));
  const int file = open(writer->extents_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) return CYF_FAIL(CYF_ERR_IO, "%s: cannot be made: %s", writer->extents_path, strerror(errno));
  const cyf_status status =
      write_fully(file, writer->extents_path, writer->extents, writer->n_extents * (int64_t)sizeof(extent));
  if (close(file) != 0 && status == CYF_OK)
    return CYF_FAIL(CYF_ERR_IO, "%s: writing failed: %s", writer->extents_path, strerror(errno));
  return status;
}

/* ---- reading ---- */

typedef struct rank_spill {
  char *path, *extents_path;
  extent *extents;
  int64_t n_extents;
} rank_spill;

struct cyf_spill {
  rank_spill *rank;
  int n_ranks;
  int64_t n_labels;
};

static cyf_status read_at(const char *path, int64_t offset, int64_t n_bytes, void *bytes) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return CYF_FAIL(CYF_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
  cyf_status status = CYF_OK;
  int64_t done = 0;
  while (status == CYF_OK && done < n_bytes) {
    const int64_t left = n_bytes - done;
    const size_t piece = (size_t)(left < TRANSFER_BYTES_MAX ? left : TRANSFER_BYTES_MAX);
    const ssize_t got = pread(file, (uint8_t *)bytes + done, piece, (off_t)(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      status =
          CYF_FAIL(CYF_ERR_IO, "%s: reading failed: %s", path, got < 0 ? strerror(errno) : "the file is too short");
    } else {
      done += got;
    }
  }
  close(file);
  return status;
}

static cyf_status open_rank(const char *directory, int rank, rank_spill *spill) {
  CYF_TRY(spill_paths(directory, rank, &spill->path, &spill->extents_path));
  struct stat info;
  if (stat(spill->extents_path, &info) != 0)
    return CYF_FAIL(CYF_ERR_IO, "%s: %s", spill->extents_path, strerror(errno));
  spill->n_extents = (int64_t)info.st_size / (int64_t)sizeof(extent);
  CYF_TRY(CYF_NEW(&spill->extents, spill->n_extents));
  return read_at(spill->extents_path, 0, spill->n_extents * (int64_t)sizeof(extent), spill->extents);
}

cyf_status cyf_spill_open(const char *directory, int n_ranks, int64_t n_labels, cyf_spill **ret_spill) {
  *ret_spill = NULL;
  cyf_spill *spill = NULL;
  CYF_TRY(CYF_NEW(&spill, 1));
  cyf_status status = CYF_NEW(&spill->rank, n_ranks);
  spill->n_ranks = status == CYF_OK ? n_ranks : 0;
  spill->n_labels = n_labels;
  for (int r = 0; r < n_ranks && status == CYF_OK; r++) status = open_rank(directory, r, &spill->rank[r]);
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
  for (int r = 0; r < spill->n_ranks; r++) {
    cyf_free(spill->rank[r].path);
    cyf_free(spill->rank[r].extents_path);
    cyf_free(spill->rank[r].extents);
  }
  cyf_free(spill->rank);
  cyf_free(*spill_at);
}

cyf_status cyf_spill_read_bin(const cyf_spill *spill, int64_t bin, uint8_t **ret_bytes, int64_t *ret_n_bytes) {
  *ret_bytes = NULL;
  int64_t n_bytes = 0;
  for (int r = 0; r < spill->n_ranks; r++)
    for (int64_t e = 0; e < spill->rank[r].n_extents; e++)
      if (spill->rank[r].extents[e].bin == bin) n_bytes += spill->rank[r].extents[e].bytes;
  uint8_t *bytes = NULL;
  CYF_TRY(CYF_NEW(&bytes, n_bytes));
  int64_t used = 0;
  for (int r = 0; r < spill->n_ranks; r++) {
    const rank_spill *rank = &spill->rank[r];
    for (int64_t e = 0; e < rank->n_extents; e++) {
      if (rank->extents[e].bin != bin) continue;
      const cyf_status status = read_at(rank->path, rank->extents[e].offset, rank->extents[e].bytes, bytes + used);
      if (status != CYF_OK) {
        cyf_free(bytes);
        return status;
      }
      used += rank->extents[e].bytes;
    }
  }
  *ret_bytes = bytes;
  *ret_n_bytes = n_bytes;
  return CYF_OK;
}

cyf_status cyf_spill_parse(const cyf_spill *spill, const uint8_t *bytes, int64_t n_bytes, int64_t *offset,
                           cyf_spill_record *ret_record) {
  const int64_t left = n_bytes - *offset;
  record_header header = {0};
  if (left >= (int64_t)sizeof(header)) memcpy(&header, bytes + *offset, sizeof(header));
  const bool sound = header.nnz >= 0 && header.nnz <= left / 8 && header.name_bytes >= 1 && header.name_bytes <= left &&
                     record_bytes(spill->n_labels, header.nnz, header.name_bytes) <= left;
  if (!sound) return CYF_FAIL(CYF_ERR_IO, "the spill files are damaged; was the folder shared by two runs?");
  const uint8_t *at = bytes + *offset + sizeof(header);
  ret_record->key = header.key;
  ret_record->nnz = header.nnz;
  ret_record->codes = (const int32_t *)at;
  ret_record->indices = ret_record->codes + spill->n_labels;
  ret_record->values = (const float *)(ret_record->indices + header.nnz);
  ret_record->name = (const char *)(ret_record->values + header.nnz);
  *offset += record_bytes(spill->n_labels, header.nnz, header.name_bytes);
  return CYF_OK;
}

/* ---- merging ---- */

typedef struct merge_source {
  int64_t next_extent; /* of the rank's list */
  uint8_t *bytes;
  int64_t capacity, n_bytes, offset;
  cyf_spill_record head;
  bool has_head;
} merge_source;

struct cyf_spill_merge {
  const cyf_spill *spill;
  int64_t bin;
  merge_source *source; /* [n_ranks] */
  int present;          /* the source last taken from, -1 at first */
  uint64_t limit;       /* while its keys stay below, no other source comes first */
};

/* Moves a source to its next record, reading the next extent of the bin where one is used up. */
static cyf_status advance(cyf_spill_merge *merge, int rank) {
  merge_source *source = &merge->source[rank];
  const rank_spill *spill = &merge->spill->rank[rank];
  source->has_head = false;
  if (source->offset == source->n_bytes) {
    while (source->next_extent < spill->n_extents && spill->extents[source->next_extent].bin != merge->bin)
      source->next_extent++;
    if (source->next_extent == spill->n_extents) return CYF_OK;
    const extent *next = &spill->extents[source->next_extent++];
    if (next->bytes > source->capacity) {
      CYF_TRY(cyf_realloc((void **)&source->bytes, (size_t)next->bytes, 1));
      source->capacity = next->bytes;
    }
    CYF_TRY(read_at(spill->path, next->offset, next->bytes, source->bytes));
    source->n_bytes = next->bytes;
    source->offset = 0;
  }
  CYF_TRY(cyf_spill_parse(merge->spill, source->bytes, source->n_bytes, &source->offset, &source->head));
  source->has_head = true;
  return CYF_OK;
}

cyf_status cyf_spill_merge_create(const cyf_spill *spill, int64_t bin, cyf_spill_merge **ret_merge) {
  *ret_merge = NULL;
  cyf_spill_merge *merge = NULL;
  CYF_TRY(CYF_NEW(&merge, 1));
  merge->spill = spill;
  merge->bin = bin;
  merge->present = -1;
  cyf_status status = CYF_NEW(&merge->source, spill->n_ranks);
  for (int r = 0; r < spill->n_ranks && status == CYF_OK; r++) status = advance(merge, r);
  if (status != CYF_OK) {
    cyf_spill_merge_destroy(&merge);
    return status;
  }
  *ret_merge = merge;
  return CYF_OK;
}

/* Picks the source with the least key; the limit becomes the second least. */
static void choose_source(cyf_spill_merge *merge) {
  merge->present = -1;
  merge->limit = UINT64_MAX;
  for (int r = 0; r < merge->spill->n_ranks; r++) {
    const merge_source *source = &merge->source[r];
    if (!source->has_head) continue;
    if (merge->present < 0) {
      merge->present = r;
    } else if (source->head.key < merge->source[merge->present].head.key) {
      merge->limit = merge->source[merge->present].head.key;
      merge->present = r;
    } else if (source->head.key < merge->limit) {
      merge->limit = source->head.key;
    }
  }
}

cyf_status cyf_spill_merge_next(cyf_spill_merge *merge, cyf_spill_record *ret_record, bool *ret_more) {
  if (merge->present >= 0) CYF_TRY(advance(merge, merge->present));
  /* Ranks read whole blocks of cells, so the next record mostly comes from where the last did. */
  const merge_source *source = merge->present >= 0 ? &merge->source[merge->present] : NULL;
  if (!source || !source->has_head || source->head.key > merge->limit) choose_source(merge);
  *ret_more = merge->present >= 0;
  if (*ret_more) *ret_record = merge->source[merge->present].head;
  return CYF_OK;
}

void cyf_spill_merge_destroy(cyf_spill_merge **merge_at) {
  if (!merge_at || !*merge_at) return;
  cyf_spill_merge *merge = *merge_at;
  for (int r = 0; merge->source && r < merge->spill->n_ranks; r++) cyf_free(merge->source[r].bytes);
  cyf_free(merge->source);
  cyf_free(*merge_at);
}
