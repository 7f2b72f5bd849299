/* SPDX-License-Identifier: MIT */
#include "data/hdf5/chunk_tree.h"

#include <string.h>
#include <unistd.h>

enum {
  SUPERBLOCK_BYTES = 32, /* of the superblock, up to and with its base address */
  HEADER_BYTES = 16,
  MESSAGE_HEADER_BYTES = 8,
  HEADER_BYTES_MAX = 1 << 16,
  CONTINUATIONS_MAX = 16,
  MESSAGE_LAYOUT = 8,
  MESSAGE_CONTINUATION = 16,
  LAYOUT_VERSION = 3,
  LAYOUT_CHUNKED = 2,
  NODE_BYTES = 24, /* of a node before its first key */
  NODE_OF_CHUNKS = 1,
  DIMENSIONS = 2, /* the format counts the element's bytes as one */
  KEY_BYTES = 8 + 8 * DIMENSIONS,
  ENTRY_BYTES = KEY_BYTES + 8,
  ENTRIES_MAX = 1024, /* twice the tree's order, which is 32 unless a writer changes it */
  LEVELS_MAX = 16
};
static const uint64_t no_address = UINT64_MAX;

/* A number of `width` bytes; the file's are little-endian, as this machine's are. */
static uint64_t number_at(const uint8_t *bytes, int width) {
  uint64_t number = 0;
  memcpy(&number, bytes, (size_t)width);
  return number;
}

static bool read_at(int file, uint64_t address, size_t n, uint8_t *bytes) {
  return address <= (uint64_t)INT64_MAX && pread(file, bytes, n, (off_t)address) == (ssize_t)n;
}

/* Whether the file begins with a superblock of version 0, with addresses of 8 bytes that count from the file's start.
 */
static bool is_plain_file(int file) {
  uint8_t block[SUPERBLOCK_BYTES];
  return read_at(file, 0, sizeof(block), block) && memcmp(block, "\x89HDF\r\n\x1a\n", 8) == 0 && block[8] == 0 &&
         block[13] == 8 && block[14] == 8 && number_at(block + 24, 8) == 0;
}

/* What a block of header messages tells: the address of the index, or where further messages are. */
typedef struct message_search {
  uint64_t tree;
  bool found;
  uint64_t next, next_bytes; /* address and size of the next block of messages; 0: none */
} message_search;

static bool search_messages(int file, uint64_t address, uint64_t n_bytes, message_search *search) {
  uint8_t bytes[HEADER_BYTES_MAX];
  search->next = search->next_bytes = 0;
  if (n_bytes > sizeof(bytes) || !read_at(file, address, (size_t)n_bytes, bytes)) return false;
  for (uint64_t at = 0; at + MESSAGE_HEADER_BYTES <= n_bytes;) {
    const uint64_t type = number_at(bytes + at, 2), size = number_at(bytes + at + 2, 2);
    const uint8_t *data = bytes + at + MESSAGE_HEADER_BYTES;
    at += MESSAGE_HEADER_BYTES + size;
    if (at > n_bytes) return false;
    if (type == MESSAGE_CONTINUATION && size >= 16) {
      search->next = number_at(data, 8);
      search->next_bytes = number_at(data + 8, 8);
    }
    if (type != MESSAGE_LAYOUT) continue;
    if (size < 11 || data[0] != LAYOUT_VERSION || data[1] != LAYOUT_CHUNKED || data[2] != DIMENSIONS) return false;
    search->tree = number_at(data + 3, 8);
    search->found = true;
  }
  return true;
}

static bool find_tree(int file, int64_t object_address, uint64_t *ret_tree) {
  uint8_t header[HEADER_BYTES];
  message_search search = {0};
  if (!is_plain_file(file) || !read_at(file, (uint64_t)object_address, sizeof(header), header) || header[0] != 1)
    return false;
  if (!search_messages(file, (uint64_t)object_address + HEADER_BYTES, number_at(header + 8, 4), &search)) return false;
  for (int i = 0; i < CONTINUATIONS_MAX && !search.found && search.next_bytes > 0; i++)
    if (!search_messages(file, search.next, search.next_bytes, &search)) return false;
  *ret_tree = search.tree;
  return search.found;
}

/* What is visited, and by what. */
typedef struct walk {
  int file;
  uint64_t first, end;
  cyf_chunk_visitor visit;
  void *context;
} walk;

static uint64_t first_value_of(const uint8_t *key) {
  return number_at(key + 8, 8);
}

static bool visit_chunk(const walk *w, const uint8_t *key, uint64_t address) {
  const cyf_chunk_place place = {.first_value = (int64_t)first_value_of(key),
                                 .address = (int64_t)address,
                                 .bytes = (int64_t)number_at(key, 4),
                                 .skipped_filters = (uint32_t)number_at(key + 4, 4)};
  if (first_value_of(key) < w->first || first_value_of(key) >= w->end) return true;
  return address <= (uint64_t)INT64_MAX && w->visit(w->context, &place);
}

/* Visits a node, whose level must be below `levels`. So levels fall on the way down, and a damaged file cannot send the
 * walk in circles. */
static bool walk_node(const walk *w, uint64_t address, int levels) {
  uint8_t bytes[NODE_BYTES + ENTRIES_MAX * ENTRY_BYTES + KEY_BYTES];
  if (!read_at(w->file, address, NODE_BYTES, bytes) || memcmp(bytes, "TREE", 4) != 0 || bytes[4] != NODE_OF_CHUNKS)
    return false;
  const int level = bytes[5], n = (int)number_at(bytes + 6, 2);
  if (level >= levels || n > ENTRIES_MAX) return false;
  if (!read_at(w->file, address + NODE_BYTES, (size_t)(n * ENTRY_BYTES + KEY_BYTES), bytes + NODE_BYTES)) return false;
  for (int i = 0; i < n; i++) {
    const uint8_t *key = bytes + NODE_BYTES + i * ENTRY_BYTES, *next = key + ENTRY_BYTES;
    const uint64_t child = number_at(key + KEY_BYTES, 8);
    if (level == 0) {
      if (!visit_chunk(w, key, child)) return false;
    } else if (first_value_of(next) > w->first && first_value_of(key) < w->end) {
      if (!walk_node(w, child, level)) return false;
    }
  }
  return true;
}

bool cyf_chunk_tree_walk(int file, int64_t object_address, int64_t first_value, int64_t end_value,
                         cyf_chunk_visitor visit, void *context) {
  uint64_t tree = no_address;
  if (!find_tree(file, object_address, &tree)) return false;
  const walk w = {file, (uint64_t)first_value, (uint64_t)end_value, visit, context};
  return tree == no_address || walk_node(&w, tree, LEVELS_MAX);
}
