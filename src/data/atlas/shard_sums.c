/* SPDX-License-Identifier: MIT */
/* Opening the checksums of a shard. */
#include "base/log.h"
#include "base/memory.h"
#include "data/atlas/shard.h"

cyf_status cyf_shard_part_open_sums(const cyf_atlas *atlas, cyf_shard_part *part) {
  char *path = NULL;
  if (atlas->verify == CYF_VERIFY_NEVER || !atlas->directory) return CYF_OK;
  if (!atlas->has_sums) {
    static bool said = false;
    if (!said)
      cyf_warn(
          "%s: was prepared before atlases had checksums of what is stored; damage may go unnoticed. `cytoforge "
          "prepare` makes it anew",
          atlas->directory);
    said = true;
    return CYF_OK;
  }
  CYF_TRY(cyf_file_sums_path(part->path, &path));
  cyf_status status = cyf_file_sums_read(path, &part->sums);
  if (status == CYF_OK) status = cyf_file_sums_compare_file(&part->sums, part->path, false, NULL);
  cyf_free(path);
  return status;
}
