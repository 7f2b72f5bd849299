/* SPDX-License-Identifier: MIT */
/* Shards as they are stored: row bounds, chunk tables, and chunks read through parallel HDF5. */
#include <fcntl.h>
#include <hdf5.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "comm/comm_mpi.h"
#include "data/atlas/shard.h"
#include "data/hdf5/chunk_tree.h"
#include "data/hdf5/hdf5_file.h"

static cyf_status unsuitable(const char *path, const char *name, const char *what) {
  return CYF_FAIL(CYF_ERR_INPUT, "%s: %s %s; make the atlas again with `cytoforge prepare`", path, name, what);
}

static H5Z_filter_t filter_at(hid_t creation, int i) {
  unsigned flags = 0, filter_config = 0;
  size_t n_values = 0;
  return H5Pget_filter2(creation, (unsigned)i, &flags, &n_values, NULL, 0, NULL, &filter_config);
}

/* Tells from type and filters how values stand in a stored chunk. */
static cyf_status recognise_storage(hid_t type, hid_t creation, const char *path, const char *name,
                                    cyf_stored_array *array) {
  const H5T_class_t class = H5Tget_class(type);
  const size_t size = H5Tget_size(type), precision = H5Tget_precision(type);
  const int n_filters = H5Pget_nfilters(creation);
  const bool plain_order = H5Tget_order(type) == H5T_ORDER_LE && H5Tget_offset(type) == 0;
  array->deflated =
      n_filters == 2 && filter_at(creation, 0) == H5Z_FILTER_SHUFFLE && filter_at(creation, 1) == H5Z_FILTER_DEFLATE;
  if (plain_order && (n_filters == 0 || array->deflated) && size == 4 && precision == 32 &&
      (class == H5T_INTEGER || class == H5T_FLOAT)) {
    array->stored_as = class == H5T_FLOAT ? CYF_STORED_FLOAT32 : CYF_STORED_LE32;
    return CYF_OK;
  }
  /* N-bit stores only the significant 8 or 16 bits, whatever the size of the integer type. */
  if (plain_order && n_filters == 1 && filter_at(creation, 0) == H5Z_FILTER_NBIT && class == H5T_INTEGER &&
      (precision == 8 || precision == 16)) {
    array->stored_as = precision == 8 ? CYF_STORED_BE8 : CYF_STORED_BE16;
    return CYF_OK;
  }
  return unsuitable(path, name, "is not stored as in an atlas (N-bit, or 32-bit numbers, plain or under gzip)");
}

/* Fills in how a dataset is stored and how large its chunks are. */
static cyf_status describe_array(hid_t dataset, const char *path, const char *name, int64_t nnz,
                                 cyf_stored_array *array) {
  int n_dims = 0;
  int64_t shape[4] = {0};
  hsize_t chunk = 0;
  CYF_TRY(cyf_h5_extent(dataset, path, name, &n_dims, shape));
  if (n_dims != 1 || shape[0] != nnz)
    return unsuitable(path, name, "does not have the number of entries in the manifest");
  hid_t type = H5Dget_type(dataset), creation = H5Dget_create_plist(dataset);
  cyf_status status = CYF_OK;
  if (H5Pget_layout(creation) != H5D_CHUNKED || H5Pget_chunk(creation, 1, &chunk) != 1)
    status = unsuitable(path, name, "is not chunked");
  if (status == CYF_OK) status = recognise_storage(type, creation, path, name, array);
  array->chunk_values = (int64_t)chunk;
  cyf_h5_close_id(&type);
  cyf_h5_close_id(&creation);
  return status;
}

/* The chunks [next, end) of a dataset that are still to be placed. */
typedef struct chunk_listing {
  cyf_stored_array *array;
  const char *path, *name;
  int64_t next, end;
  cyf_status status; /* of a chunk that is not as it should be */
} chunk_listing;

static cyf_status place_chunk(chunk_listing *listing, const cyf_chunk_place *chunk) {
  cyf_stored_array *array = listing->array;
  const int64_t plain_bytes = array->chunk_values * cyf_stored_width(array->stored_as);
  const int64_t least_bytes = array->deflated ? 1 : plain_bytes;
  /* N-bit adds a byte. Deflate adds hardly more where it cannot compress. */
  const int64_t most_bytes = plain_bytes + plain_bytes / 64 + 64;
  if (chunk->skipped_filters != 0 || chunk->bytes < least_bytes || chunk->bytes > most_bytes)
    return unsuitable(listing->path, listing->name, "has a chunk of unexpected size");
  return cyf_stored_add_chunk(array, listing->next++, chunk->address, chunk->bytes);
}

static bool place_next(void *context, const cyf_chunk_place *chunk) {
  chunk_listing *listing = context;
  if (chunk->first_value != listing->next * listing->array->chunk_values) return false;
  listing->status = place_chunk(listing, chunk);
  return listing->status == CYF_OK;
}

/* Lists the chunks from the file's own index (chunk_tree.h); false where that is of a form that only HDF5 knows. */
static bool list_index(hid_t dataset, chunk_listing *listing) {
#if H5_VERSION_GE(1, 12, 0)
  H5O_info1_t info;
#else
  H5O_info_t info;
#endif
  const int64_t width = listing->array->chunk_values;
  const int file = cyf_open_file(listing->path, O_RDONLY);
  if (file < 0) return false;
  const bool listed =
      H5Oget_info2(dataset, &info, H5O_INFO_BASIC) >= 0 &&
      cyf_chunk_tree_walk(file, (int64_t)info.addr, listing->next * width, listing->end * width, place_next, listing);
  close(file);
  return listed && listing->next == listing->end;
}

/* Finds where the chunks with the entries [first, end) lie. */
static cyf_status locate_chunks(hid_t dataset, const char *path, const char *name, int64_t first, int64_t end,
                                cyf_stored_array *array) {
  const int64_t first_chunk = first / array->chunk_values;
  chunk_listing listing = {.array = array, .path = path, .name = name, .next = first_chunk};
  listing.end = first == end ? first_chunk : (end - 1) / array->chunk_values + 1;
  if (list_index(dataset, &listing)) return CYF_OK;
  CYF_TRY(listing.status);
  array->n_runs = 0;
  for (listing.next = first_chunk; listing.next < listing.end;) { /* asking HDF5 for each, which is slower */
    const hsize_t at = (hsize_t)(listing.next * array->chunk_values);
    unsigned mask = 0;
    haddr_t address = HADDR_UNDEF;
    hsize_t bytes = 0;
    if (H5Dget_chunk_info_by_coord(dataset, &at, &mask, &address, &bytes) < 0 || address == HADDR_UNDEF)
      return unsuitable(path, name, "lacks a stored chunk");
    const cyf_chunk_place chunk = {(int64_t)at, (int64_t)address, (int64_t)bytes, mask};
    CYF_TRY(place_chunk(&listing, &chunk));
  }
  return CYF_OK;
}

/* Decodes the beginning of one stored chunk and compares it with what HDF5 itself reads there. The N-bit filter's
 * format is not part of HDF5's documented interface, so we make sure before we trust our own decoding. */
static cyf_status check_decoding(hid_t dataset, const char *name, const cyf_shard_part *part,
                                 const cyf_stored_array *array) {
  const char *path = part->path;
  const int64_t nnz = part->shard_nnz;
  if (array->n_runs == 0) return CYF_OK;
  const int64_t at = array->run[0].first_chunk * array->chunk_values;
  const int64_t n = nnz - at < array->chunk_values ? nnz - at : array->chunk_values;
  const hsize_t offset = (hsize_t)at;
  uint8_t *stored = NULL, *inflated = NULL;
  float *ours = NULL, *theirs = NULL;
  uint32_t mask = 0;
  cyf_status status = CYF_OK;
  CYF_TRY_CLEANUP(CYF_NEW(&stored, array->run[0].bytes));
  if (array->deflated) CYF_TRY_CLEANUP(CYF_NEW(&inflated, array->chunk_values * cyf_stored_width(array->stored_as)));
  CYF_TRY_CLEANUP(CYF_NEW(&ours, n));
  CYF_TRY_CLEANUP(CYF_NEW(&theirs, n));
  if (H5Dread_chunk(dataset, H5P_DEFAULT, &offset, &mask, stored) < 0) {
    status = unsuitable(path, name, "has an unreadable chunk");
    goto cleanup;
  }
  if (inflated) CYF_TRY_CLEANUP(cyf_chunk_inflate(part, array, stored, array->run[0].bytes, inflated));
  CYF_TRY_CLEANUP(cyf_h5_read_range(dataset, H5T_NATIVE_FLOAT, sizeof(float), at, n, -1, path, name, theirs));
  cyf_decode_values(array->stored_as, inflated ? inflated : stored, n, ours);
  if (memcmp(ours, theirs, (size_t)n * sizeof(float)) != 0)
    status = unsuitable(path, name, "is stored in a way this HDF5 library decodes differently");
cleanup:
  cyf_free(stored);
  cyf_free(inflated);
  cyf_free(ours);
  cyf_free(theirs);
  return status;
}

static cyf_status open_array(hid_t file, const char *name, const cyf_shard_part *part, bool check,
                             cyf_stored_array *array) {
  const int64_t first = part->first_entry, end = first + part->n_entries;
  hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
  if (dataset < 0) return unsuitable(part->path, name, "is missing");
  cyf_status status = describe_array(dataset, part->path, name, part->shard_nnz, array);
  if (status == CYF_OK) status = locate_chunks(dataset, part->path, name, first, end, array);
  if (status == CYF_OK && check) status = check_decoding(dataset, name, part, array);
  cyf_h5_close_id(&dataset);
  return status;
}

/* Finds a dataset of plain numbers in one piece. */
static cyf_status locate_plain(hid_t location, const char *name, const char *path, int64_t n, cyf_plain_array *array) {
  hid_t dataset = H5Dopen2(location, name, H5P_DEFAULT);
  if (dataset < 0) return unsuitable(path, name, "is missing");
  hid_t type = H5Dget_type(dataset), creation = H5Dget_create_plist(dataset);
  int n_dims = 0;
  int64_t shape[4] = {0};
  cyf_status status = cyf_h5_extent(dataset, path, name, &n_dims, shape);
  const haddr_t address = H5Dget_offset(dataset);
  array->width = (int64_t)H5Tget_size(type);
  array->address = (int64_t)address;
  if (status == CYF_OK && (n_dims != 1 || shape[0] != n)) status = unsuitable(path, name, "has another length");
  if (status == CYF_OK &&
      (H5Pget_layout(creation) != H5D_CONTIGUOUS || H5Tget_class(type) != H5T_INTEGER ||
       H5Tget_order(type) == H5T_ORDER_BE || H5Tget_sign(type) != H5T_SGN_2 || (n > 0 && address == HADDR_UNDEF)))
    status = unsuitable(path, name, "is not stored as plain signed integers in one piece");
  cyf_h5_close_id(&type);
  cyf_h5_close_id(&creation);
  cyf_h5_close_id(&dataset);
  return status;
}

/* Finds which of the shard's entries are those of this rank's cells. */
static cyf_status read_ends(hid_t file, const cyf_shard *shard, cyf_shard_part *part) {
  hid_t dataset = H5Dopen2(file, "X/indptr", H5P_DEFAULT);
  if (dataset < 0) return unsuitable(shard->path, "X/indptr", "is missing");
  const int64_t first = part->first_cell - shard->first_cell;
  int64_t end = 0;
  cyf_status status = cyf_h5_read_range(dataset, H5T_NATIVE_INT64, sizeof(int64_t), first, 1, -1, shard->path,
                                        "X/indptr", &part->first_entry);
  if (status == CYF_OK)
    status = cyf_h5_read_range(dataset, H5T_NATIVE_INT64, sizeof(int64_t), first + part->n_cells, 1, -1, shard->path,
                               "X/indptr", &end);
  cyf_h5_close_id(&dataset);
  CYF_TRY(status);
  part->n_entries = end - part->first_entry;
  if (part->first_entry < 0 || part->n_entries < 0 || end > shard->nnz)
    return unsuitable(shard->path, "X/indptr", "does not ascend within the entries");
  return CYF_OK;
}

static cyf_status locate_codes(hid_t file, const cyf_atlas *atlas, const cyf_shard *shard, cyf_shard_part *part) {
  CYF_TRY(CYF_NEW(&part->codes, atlas->n_attributes));
  hid_t obs = H5Gopen2(file, "obs", H5P_DEFAULT);
  if (obs < 0) return unsuitable(shard->path, "obs", "is missing");
  cyf_status status = CYF_OK;
  for (int64_t a = 0; a < atlas->n_attributes && status == CYF_OK; a++) {
    char *name = NULL;
    status = cyf_format(&name, "%s/codes", atlas->attributes[a].name);
    if (status == CYF_OK) status = locate_plain(obs, name, shard->path, shard->n_cells, &part->codes[a]);
    cyf_free(name);
  }
  cyf_h5_close_id(&obs);
  return status;
}

static cyf_status open_part(const cyf_atlas *atlas, const cyf_shard *shard, bool check, cyf_shard_part *part) {
  hid_t file = -1;
  CYF_TRY(cyf_h5_open_file(shard->path, &file));
  cyf_status status = locate_plain(file, "X/indptr", shard->path, shard->n_cells + 1, &part->indptr);
  if (status == CYF_OK) status = read_ends(file, shard, part);
  if (status == CYF_OK) status = open_array(file, "X/indices", part, check, &part->indices);
  if (status == CYF_OK) status = open_array(file, "X/data", part, check, &part->data);
  if (status == CYF_OK) status = locate_codes(file, atlas, shard, part);
  status = cyf_h5_end_reads(file, shard->path, status);
  cyf_h5_close_id(&file);
  return status;
}

cyf_status cyf_shard_set_open(const cyf_atlas *atlas, int64_t first, int64_t end, cyf_shard_set *set) {
  memset(set, 0, sizeof(*set));
  if (pthread_mutex_init(&set->mutex, NULL) != 0) return CYF_FAIL(CYF_ERR_MEMORY, "no mutex for the shards");
  set->atlas = atlas;
  set->io = CYF_LOADER_POSIX;
  CYF_TRY(CYF_NEW(&set->part, atlas->n_shards));
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    const cyf_shard *shard = &atlas->shards[s];
    const int64_t shard_end = shard->first_cell + shard->n_cells;
    const int64_t from = first > shard->first_cell ? first : shard->first_cell, to = end < shard_end ? end : shard_end;
    if (from >= to) continue;
    cyf_shard_part *part = &set->part[set->n_parts++];
    part->path = shard->path;
    part->identity = shard->identity;
    if (!part->identity.is_regular) CYF_TRY(cyf_file_identify(shard->path, &part->identity));
    part->shard_first_cell = shard->first_cell;
    part->shard_nnz = shard->nnz;
    part->first_cell = from;
    part->n_cells = to - from;
    part->file = part->direct_file = -1;
    part->hdf5_file = -1;
    part->indices.hdf5_id = part->data.hdf5_id = -1;
    CYF_TRY(cyf_shard_part_open_sums(atlas, part)); /* before HDF5 looks at the file */
    CYF_TRY(cyf_atlas_check_labels(atlas, s));
    cyf_hdf5_lock();
    const cyf_status status = open_part(atlas, shard, set->n_parts == 1, part);
    cyf_hdf5_unlock();
    CYF_TRY(status);
  }
  return CYF_OK;
}

/* Opens one file over ranks[n_ranks], to which the caller belongs. */
static cyf_status open_file_mpio(cyf_comm *comm, const int *ranks, int n_ranks, int tag, cyf_shard_part *part) {
  MPI_Comm all = cyf_comm_mpi(comm), shared = MPI_COMM_NULL;
  MPI_Group everyone, group;
  MPI_Comm_group(all, &everyone);
  MPI_Group_incl(everyone, n_ranks, ranks, &group);
  const int made = MPI_Comm_create_group(all, group, tag, &shared);
  MPI_Group_free(&group);
  MPI_Group_free(&everyone);
  if (made != MPI_SUCCESS || shared == MPI_COMM_NULL)
    return CYF_FAIL(CYF_ERR_COMM, "%s: no communicator over the ranks that read this shard", part->path);
  cyf_status status = CYF_OK;
  char reason[CYF_H5_REASON_SIZE];
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  if (access < 0 || H5Pset_fapl_mpio(access, shared, MPI_INFO_NULL) < 0 ||
      (part->hdf5_file = H5Fopen(part->path, H5F_ACC_RDONLY, access)) < 0)
    status =
        CYF_FAIL(CYF_ERR_INPUT, "%s: cannot be opened with the MPI-IO driver (%s); `data.io: posix` reads without it",
                 part->path, cyf_h5_reason(reason));
  cyf_h5_close_id(&access);
  MPI_Comm_free(&shared); /* HDF5 keeps a duplicate */
  CYF_TRY(status);
  part->indices.hdf5_id = H5Dopen2((hid_t)part->hdf5_file, "X/indices", H5P_DEFAULT);
  part->data.hdf5_id = H5Dopen2((hid_t)part->hdf5_file, "X/data", H5P_DEFAULT);
  if (part->indices.hdf5_id < 0 || part->data.hdf5_id < 0) return unsuitable(part->path, "X", "cannot be opened");
  return CYF_OK;
}

/* Lists the ranks whose cells meet [first, end); ranks without cells are in no list. */
static int ranks_of_range(const int64_t *rank_first, int n_ranks, int64_t first, int64_t end, int *ret_ranks) {
  int n = 0;
  for (int r = 0; r < n_ranks; r++)
    if (rank_first[r] < rank_first[r + 1] && rank_first[r] < end && rank_first[r + 1] > first) ret_ranks[n++] = r;
  return n;
}

cyf_status cyf_shard_set_open_mpio(cyf_comm *comm, const cyf_atlas *atlas, const int64_t *rank_first,
                                   cyf_shard_set *set) {
  const int rank = cyf_comm_rank(comm), size = cyf_comm_size(comm);
  int *ranks = NULL;
  CYF_TRY(cyf_comm_agree(comm, CYF_NEW(&ranks, size)));
  cyf_status status = CYF_OK;
  set->io = CYF_LOADER_MPIO;
  /* Shards ascend on every rank, so that the collective openings of neighbouring ranks meet in one order. A failure
   * does not end the loop: the other ranks of the remaining shards wait for this one. */
  cyf_shard_part *part = set->part;
  for (int64_t s = 0; s < atlas->n_shards; s++) {
    const int64_t first = atlas->shards[s].first_cell, end = first + atlas->shards[s].n_cells;
    const int n = ranks_of_range(rank_first, size, first, end, ranks);
    bool takes_part = false;
    for (int i = 0; i < n; i++) takes_part = takes_part || ranks[i] == rank;
    if (!takes_part) continue;
    cyf_hdf5_lock();
    const cyf_status opened = open_file_mpio(comm, ranks, n, (int)(s % 32768), part++);
    cyf_hdf5_unlock();
    if (status == CYF_OK) status = opened;
  }
  cyf_free(ranks);
  return cyf_comm_agree(comm, status);
}

cyf_status cyf_shard_read_chunk_mpio(const cyf_shard_part *part, const cyf_stored_array *array, int64_t chunk,
                                     uint8_t *bytes) {
  const hsize_t offset = (hsize_t)(chunk * array->chunk_values);
  uint32_t mask = 0;
  char reason[CYF_H5_REASON_SIZE];
  cyf_hdf5_lock();
  const herr_t result = H5Dread_chunk((hid_t)array->hdf5_id, H5P_DEFAULT, &offset, &mask, bytes);
  cyf_status status = CYF_OK;
  if (result < 0) status = CYF_FAIL(CYF_ERR_INPUT, "%s: reading a chunk failed: %s", part->path, cyf_h5_reason(reason));
  cyf_hdf5_unlock();
  return status;
}

static void close_hdf5_id(int64_t *id) {
  hid_t hdf5_id = (hid_t)*id;
  cyf_h5_close_id(&hdf5_id);
  *id = -1;
}

void cyf_shard_part_close_hdf5(cyf_shard_part *part) {
  cyf_hdf5_lock();
  close_hdf5_id(&part->indices.hdf5_id);
  close_hdf5_id(&part->data.hdf5_id);
  close_hdf5_id(&part->hdf5_file);
  cyf_hdf5_unlock();
}

void cyf_shard_set_abandon_mpio(cyf_shard_set *set) {
  for (int64_t p = 0; p < set->n_parts; p++)
    set->part[p].indices.hdf5_id = set->part[p].data.hdf5_id = set->part[p].hdf5_file = -1;
}
