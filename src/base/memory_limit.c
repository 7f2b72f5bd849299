/* SPDX-License-Identifier: MIT */
#include "base/memory_limit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What the two versions of control groups call the same things. */
typedef struct group_version {
  const char *controller; /* in the lines of membership; "" of version 2 */
  const char *folder;     /* below the mount */
  const char *limit, *usage, *inactive, *active;
} group_version;

static const group_version versions[] = {{"", "", "memory.max", "memory.current", "inactive_file", "active_file"},
                                         {"memory", "/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
                                          "total_inactive_file", "total_active_file"}};

enum { PATH_BYTES = 4096 };

/* Finds the group: lines are "number:controllers:path". */
static int find_group(const char *membership, const char *controller, char path[PATH_BYTES]) {
  FILE *file = fopen(membership, "r");
  char line[PATH_BYTES];
  int found = 0;
  while (file && !found && fgets(line, sizeof(line), file)) {
    char *controllers = strchr(line, ':'), *own = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!own) continue;
    *own++ = '\0';
    own[strcspn(own, "\n")] = '\0';
    char *rest = controllers + 1;
    do {
      const char *one = strsep(&rest, ",");
      found = found || strcmp(one, controller) == 0;
    } while (rest);
    if (found) snprintf(path, PATH_BYTES, "%s", strcmp(own, "/") == 0 ? "" : own);
  }
  if (file) fclose(file);
  return found;
}

/* NULL where there is no such file. */
static FILE *open_in(const char *folder, const char *name) {
  char path[PATH_BYTES];
  const int length = snprintf(path, sizeof(path), "%s/%s", folder, name);
  return length > 0 && length < PATH_BYTES ? fopen(path, "r") : NULL;
}

/* A file of one number; -1 where there is none ("max"). */
static int64_t read_number(const char *folder, const char *name) {
  FILE *file = open_in(folder, name);
  int64_t number = -1;
  if (file && fscanf(file, "%" SCNd64, &number) != 1) number = -1;
  if (file) fclose(file);
  return number;
}

/* Bytes of cached files: of the lines "name number", the sum of the active and the inactive ones. */
static int64_t read_file_pages(const char *folder, const group_version *version) {
  char line[256], name[128];
  FILE *file = open_in(folder, "memory.stat");
  int64_t sum = 0, number = 0;
  while (file && fgets(line, sizeof(line), file))
    if (sscanf(line, "%127s %" SCNd64, name, &number) == 2 &&
        (strcmp(name, version->inactive) == 0 || strcmp(name, version->active) == 0))
      sum += number;
  if (file) fclose(file);
  return sum;
}

static int64_t limit_of(const char *folder, const group_version *version) {
  const int64_t limit = read_number(folder, version->limit);
  return limit < 0 ? INT64_MAX : limit;
}

static int64_t left_in(const char *folder, const group_version *version) {
  const int64_t limit = limit_of(folder, version), usage = read_number(folder, version->usage);
  if (limit == INT64_MAX || usage < 0) return INT64_MAX;
  const int64_t taken = usage - read_file_pages(folder, version);
  return limit > taken ? limit - (taken > 0 ? taken : 0) : 0;
}

/* The smallest that `number` gives for this process' group and for the groups above it. */
static int64_t least_of_groups(const char *membership, const char *mount,
                               int64_t (*number)(const char *folder, const group_version *version)) {
  int64_t least = INT64_MAX;
  for (size_t v = 0; v < sizeof(versions) / sizeof(versions[0]); v++) {
    char group[PATH_BYTES], folder[PATH_BYTES];
    if (!find_group(membership, versions[v].controller, group)) continue;
    for (;;) {
      const int length = snprintf(folder, sizeof(folder), "%s%s%s", mount, versions[v].folder, group);
      const int64_t one = length > 0 && length < PATH_BYTES ? number(folder, &versions[v]) : INT64_MAX;
      least = one < least ? one : least;
      char *last = strrchr(group, '/');
      if (!last) break;
      *last = '\0';
    }
  }
  return least;
}

int64_t cyf_memory_limit(const char *membership, const char *mount) {
  return least_of_groups(membership, mount, limit_of);
}

int64_t cyf_memory_limit_left(const char *membership, const char *mount) {
  return least_of_groups(membership, mount, left_in);
}
