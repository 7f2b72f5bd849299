/* SPDX-License-Identifier: MIT */
#include "data/hdf5/hdf5_walk.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/files.h"
#include "base/memory.h"
#include "data/hdf5/hdf5_heap.h"
#include "data/hdf5/lzf_filter.h"

/* ---- in the process that walks ---- */

#if H5_VERSION_GE(1, 12, 0)
typedef H5O_info1_t object_info;
#else
typedef H5O_info_t object_info;
#endif

/* A chunk of texts is read block after block; the cache keeps it from being unpacked each time. */
enum { TEXTS_AT_ONCE = 4096, TEXT_BYTES_MAX = 1 << 26, DEPTH_MAX = 64, CACHE_SLOTS = 521, CACHE_BYTES = 1 << 26 };

typedef struct walking {
  cyf_text_heap *heap; /* NULL: texts are not looked at before they are read */
  int progress;
  bool is_wrong; /* HDF5 said so */
  int depth;
  haddr_t within[DEPTH_MAX]; /* addresses of the groups that are being walked */
  bool overruns;             /* HDF5 would not say so */
} walking;

static void step(walking *w, bool well) {
  if (write(w->progress, ".", 1) < 0) w->progress = -1; /* nobody listens any more */
  if (!well) w->is_wrong = true;
  H5Eclear2(H5E_DEFAULT);
}

static bool is_text(hid_t type) {
  return H5Tget_class(type) == H5T_STRING || H5Tdetect_class(type, H5T_VLEN) > 0 ||
         (H5Tget_class(type) == H5T_COMPOUND && H5Tdetect_class(type, H5T_STRING) > 0);
}

/* Reads elements of a dataset, or of an attribute, as they are stored, and finds whether each text has its room. What
 * cannot be read HDF5 tells when it is read as texts. */
static bool texts_fit(walking *w, hid_t object, hid_t type, hid_t memory, hid_t space, hsize_t n) {
  cyf_stored_texts stored;
  bool fit = true;
  if (!w->heap || n == 0) return true;
  cyf_stored_texts_of(type, &stored);
  uint8_t *elements = stored.n > 0 && n < TEXT_BYTES_MAX / stored.bytes ? malloc(n * stored.bytes) : NULL;
  if (elements && (space == H5I_INVALID_HID ? H5Aread(object, stored.type, elements)
                                            : H5Dread(object, stored.type, memory, space, H5P_DEFAULT, elements)) >= 0)
    fit = cyf_stored_texts_fit(w->heap, &stored, n, elements);
  free(elements);
  cyf_stored_texts_destroy(&stored);
  if (!fit) w->overruns = true;
  return fit;
}

/* Reads the elements [first, first + n) of a dataset of texts and frees what HDF5 allocated. */
static bool read_texts(walking *w, hid_t dataset, hid_t type, hid_t space, hsize_t first, hsize_t n, char *elements) {
  hid_t memory = H5Screate_simple(1, &n, NULL);
  bool well = H5Sselect_hyperslab(space, H5S_SELECT_SET, &first, NULL, &n, NULL) >= 0;
  if (well && texts_fit(w, dataset, type, memory, space, n)) {
    well = H5Dread(dataset, type, memory, space, H5P_DEFAULT, elements) >= 0;
    if (well) well = H5Dvlen_reclaim(type, memory, H5P_DEFAULT, elements) >= 0;
  }
  H5Sclose(memory);
  return well;
}

/* Where a block cannot be read, each of its texts: a reader that begins elsewhere may meet another first. */
static void walk_block(walking *w, hid_t dataset, hid_t type, hid_t space, hsize_t first, hsize_t n, char *elements) {
  const bool well = read_texts(w, dataset, type, space, first, n, elements);
  step(w, well);
  for (hsize_t i = 0; !well && !w->overruns && i < n; i++)
    step(w, read_texts(w, dataset, type, space, first + i, 1, elements));
}

static void walk_texts(walking *w, hid_t dataset, hid_t type, hid_t space) {
  const size_t size = H5Tget_size(type);
  hsize_t n = 0;
  if (size == 0 || size > TEXT_BYTES_MAX) return;
  const hsize_t at_once = size * TEXTS_AT_ONCE > TEXT_BYTES_MAX ? TEXT_BYTES_MAX / size + 1 : TEXTS_AT_ONCE;
  char *elements = calloc(at_once, size);
  if (!elements) return;
  if (H5Sget_simple_extent_ndims(space) == 1 && H5Sget_simple_extent_dims(space, &n, NULL) == 1) {
    for (hsize_t first = 0; first < n && !w->overruns; first += at_once)
      walk_block(w, dataset, type, space, first, n - first < at_once ? n - first : at_once, elements);
  } else {
    const hssize_t all = H5Sget_simple_extent_npoints(space);
    if (all > 0 && texts_fit(w, dataset, type, H5S_ALL, H5S_ALL, (hsize_t)all) && all == 1)
      step(w, H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, elements) >= 0);
  }
  free(elements);
}

static void walk_dataset(walking *w, hid_t dataset) {
  hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset), creation = H5Dget_create_plist(dataset);
  hsize_t n_chunks = 0;
  step(w, type >= 0 && space >= 0 && creation >= 0);
  if (creation >= 0 && space >= 0 && H5Pget_layout(creation) == H5D_CHUNKED) {
    step(w, H5Dget_num_chunks(dataset, space, &n_chunks) >= 0);
    for (hsize_t c = 0; c < n_chunks; c += n_chunks / 64 + 1) {
      hsize_t offset[H5S_MAX_RANK], bytes;
      unsigned mask;
      haddr_t address;
      step(w, H5Dget_chunk_info(dataset, space, c, offset, &mask, &address, &bytes) >= 0);
    }
  }
  if (type >= 0 && space >= 0 && is_text(type)) walk_texts(w, dataset, type, space);
  H5Pclose(creation);
  H5Sclose(space);
  H5Tclose(type);
}

static herr_t walk_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context) {
  (void)info;
  walking *w = context;
  hid_t id = H5Aopen(object, name, H5P_DEFAULT), type = H5Aget_type(id), space = H5Aget_space(id);
  const hssize_t n = H5Sget_simple_extent_npoints(space);
  const size_t size = H5Tget_size(type);
  bool well = id >= 0 && type >= 0 && n >= 0;
  void *value = well && n > 0 && size > 0 && (size_t)n < TEXT_BYTES_MAX / size ? calloc((size_t)n, size) : NULL;
  if (value && texts_fit(w, id, type, H5I_INVALID_HID, H5I_INVALID_HID, (hsize_t)n)) {
    well = H5Aread(id, type, value) >= 0;
    if (well) H5Dvlen_reclaim(type, space, H5P_DEFAULT, value);
  }
  free(value);
  step(w, well);
  H5Sclose(space);
  H5Tclose(type);
  H5Aclose(id);
  return 0;
}

/* A group within a group that is being walked: links may lead round in a circle. */
static bool is_within(const walking *w, const object_info *info) {
  for (int i = 0; i < w->depth; i++)
    if (w->within[i] == info->addr) return true;
  return w->depth == DEPTH_MAX;
}

static herr_t walk_link(hid_t group, const char *name, const H5L_info_t *link, void *context);

static void walk_object(walking *w, hid_t object) {
  object_info info;
  const bool well = H5Oget_info2(object, &info, H5O_INFO_BASIC) >= 0;
  step(w, well);
  H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, walk_attribute, w);
  if (well && info.type == H5O_TYPE_DATASET) walk_dataset(w, object);
  if (!well || info.type != H5O_TYPE_GROUP || is_within(w, &info)) return;
  w->within[w->depth++] = info.addr;
  step(w, H5Literate(object, H5_INDEX_NAME, H5_ITER_INC, NULL, walk_link, w) >= 0);
  w->depth--;
}

/* What cannot be opened is passed over: a reader may ask for the others. */
static herr_t walk_link(hid_t group, const char *name, const H5L_info_t *link, void *context) {
  walking *w = context;
  if (link->type != H5L_TYPE_HARD) return 0;
  hid_t object = H5Oopen(group, name, H5P_DEFAULT);
  step(w, object >= 0);
  if (object < 0) return 0;
  walk_object(w, object);
  H5Oclose(object);
  return 0;
}

int cyf_h5_walk(const char *path, int progress) {
  walking w = {.progress = progress};
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  (void)cyf_lzf_register();
  hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  H5Pset_cache(access, 0, CACHE_SLOTS, CACHE_BYTES, 1.0);
  hid_t file = H5Fopen(path, H5F_ACC_RDONLY, access);
  H5Pclose(access);
  if (file < 0) return 1;
  w.heap = cyf_text_heap_open(file, path);
  hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
  step(&w, root >= 0);
  if (root >= 0) walk_object(&w, root);
  if (root >= 0) H5Gclose(root);
  cyf_text_heap_close(&w.heap);
  H5Fclose(file);
  return w.overruns ? CYF_H5_WALK_OVERRUNS : w.is_wrong ? 1 : 0;
}

/* ---- in the process that asks ---- */

static struct {
  pthread_mutex_t lock;
  cyf_status (*walk)(const char *path);
  cyf_file_identity *walked; /* kept to the end of the process */
  int64_t n, capacity;
} walker = {.lock = PTHREAD_MUTEX_INITIALIZER};

void cyf_h5_set_walker(cyf_status (*walk)(const char *path)) {
  walker.walk = walk;
}

/* The caller holds the lock, here and below. */
static bool was_walked(const cyf_file_identity *now) {
  for (int64_t i = 0; i < walker.n; i++) {
    const cyf_file_identity *then = &walker.walked[i];
    if (then->device == now->device && then->inode == now->inode && then->bytes == now->bytes &&
        then->changed_s == now->changed_s && then->changed_ns == now->changed_ns)
      return true;
  }
  return false;
}

static cyf_status note(const cyf_file_identity *file) {
  if (was_walked(file)) return CYF_OK;
  if (walker.n == walker.capacity) {
    const int64_t capacity = walker.capacity ? 2 * walker.capacity : 64;
    CYF_TRY(cyf_realloc((void **)&walker.walked, (size_t)capacity, sizeof *walker.walked));
    walker.capacity = capacity;
  }
  walker.walked[walker.n++] = *file;
  return CYF_OK;
}

bool cyf_h5_was_walked(const cyf_file_identity *file) {
  pthread_mutex_lock(&walker.lock);
  const bool was = was_walked(file);
  pthread_mutex_unlock(&walker.lock);
  return was;
}

cyf_status cyf_h5_note_walked(const cyf_file_identity *file) {
  pthread_mutex_lock(&walker.lock);
  const cyf_status status = note(file);
  pthread_mutex_unlock(&walker.lock);
  return status;
}

cyf_status cyf_h5_walk_first(const char *path) {
  cyf_file_identity now;
  if (!walker.walk) return CYF_OK;
  CYF_TRY(cyf_file_identify(path, &now));
  if (!now.is_regular) return CYF_OK;
  pthread_mutex_lock(&walker.lock);
  cyf_status status = CYF_OK;
  if (!was_walked(&now)) {
    status = walker.walk(path);
    if (status == CYF_OK) status = note(&now);
  }
  pthread_mutex_unlock(&walker.lock);
  return status;
}
