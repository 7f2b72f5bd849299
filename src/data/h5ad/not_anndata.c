/* SPDX-License-Identifier: MIT */
/* HDF5 files of cells in other layouts than AnnData's. */
#include <string.h>

#include "base/memory.h"
#include "data/h5ad/other_format.h"
#include "data/h5ad/reader_internal.h"

/* The names of a group's members, for messages and to look into. */
static herr_t add_name(hid_t group, const char *name, const H5L_info_t *info, void *names) {
  (void)group;
  (void)info;
  return cyf_names_add(names, name, NULL) == CYF_OK ? 0 : -1;
}

static cyf_status list_members(hid_t file, const char *path, cyf_names *names) {
  if (H5Literate_by_name(file, path, H5_INDEX_NAME, H5_ITER_INC, NULL, add_name, names, H5P_DEFAULT) < 0)
    H5Eclear2(H5E_DEFAULT); /* nothing is listed: it is of no format known here */
  return CYF_OK;
}

static bool has(hid_t file, const char *group, const char *name) {
  char path[CYF_H5_REASON_SIZE];
  return snprintf(path, sizeof path, "%s/%s", group, name) < (int)sizeof path && cyf_h5_exists(file, path);
}

/* Cell Ranger: /matrix of version 3 and later, a group for each genome before. */
static bool is_10x(hid_t file, const char *group) {
  return has(file, group, "barcodes") && has(file, group, "indptr") &&
         (has(file, group, "features") || has(file, group, "genes") || has(file, group, "gene_names"));
}

static cyf_status is_mudata(const cyf_h5ad *file) {
  enum { LIST_BYTES = 512 };
  char list[LIST_BYTES], what[LIST_BYTES + 64], line[LIST_BYTES];
  cyf_names names = {0};
  cyf_status status = list_members(file->file, "mod", &names);
  const char *first = cyf_names_find(&names, "rna") >= 0 || names.n == 0 ? "rna" : names.name[0];
  snprintf(what, sizeof what, "a MuData file (of the modalities %s)",
           cyf_list_names(names.n, (const char *const *)names.name, list, sizeof list));
  snprintf(line, sizeof line, "python3 -c \"import mudata; mudata.read_h5ad('<', mod='%.64s').write_h5ad('>')\"",
           first);
  if (status == CYF_OK) status = cyf_other_format_is(file->path, what, line);
  cyf_names_destroy(&names);
  return status;
}

bool cyf_h5ad_is_loom(const cyf_h5ad *file) {
  return cyf_h5_exists(file->file, "row_attrs") && cyf_h5_exists(file->file, "col_attrs") &&
         cyf_h5_exists(file->file, "matrix");
}

/* The failure for a file of no layout known here. */
static cyf_status is_unknown(const cyf_h5ad *file, const cyf_names *members) {
  char list[CYF_NAMES_LIST_BYTES];
  if (cyf_h5_exists(file->file, "obs") || cyf_h5_exists(file->file, "var"))
    return CYF_FAIL(
        CYF_ERR_INPUT,
        "%s: is an AnnData file without any matrix (it has neither X, layers nor raw/X); this gives it one: "
        "python3 -c \"import anndata; a = anndata.read_h5ad('%s'); a.X = COUNTS; a.write_h5ad('%s')\"",
        file->path, file->path, file->path);
  return CYF_FAIL(CYF_ERR_INPUT, "%s: not an AnnData file (it has neither X, layers nor raw/X, but: %s)", file->path,
                  cyf_list_names(members->n, (const char *const *)members->name, list, sizeof list));
}

static cyf_status refuse(const cyf_h5ad *file, const cyf_names *members) {
  static const char of_10x[] = "python3 -c \"import scanpy; scanpy.read_10x_h5('<').write_h5ad('>')\"";
  char *format = NULL;
  CYF_TRY(cyf_h5_read_text_attribute(file->file, "format", file->path, &format));
  const bool is_ours = format && strcmp(format, "cytoforge") == 0;
  cyf_free(format);
  if (is_ours) return CYF_FAIL(CYF_ERR_INPUT, "%s: is a model or a checkpoint of cytoforge, not cells", file->path);
  if (cyf_h5ad_is_loom(file))
    return cyf_other_format_is(file->path, "a loom file",
                               "python3 -c \"import scanpy; scanpy.read_loom('<').write_h5ad('>')\"");
  if (cyf_h5_object_type(file->file, "mod") == H5I_GROUP) return is_mudata(file);
  if (cyf_h5_exists(file->file, "barcode_idx") && cyf_h5_exists(file->file, "barcodes"))
    return CYF_FAIL(
        CYF_ERR_INPUT,
        "%s: is a 10x molecule file, which lists molecules, not cells; filtered_feature_bc_matrix.h5 of the "
        "same run has the cells",
        file->path);
  if (cyf_h5_exists(file->file, "assays") && cyf_h5_exists(file->file, "cell.names"))
    return cyf_other_format_is(file->path, "a Seurat file (h5seurat)",
                               "Rscript -e \"SeuratDisk::Convert('<', dest = '>')\"");
  for (int64_t i = 0; i < members->n; i++)
    if (is_10x(file->file, members->name[i])) return cyf_other_format_is(file->path, "a 10x HDF5 file", of_10x);
  return is_unknown(file, members);
}

cyf_status cyf_h5ad_refuse_layout(const cyf_h5ad *file) {
  cyf_names members = {0};
  cyf_status status = list_members(file->file, "/", &members);
  if (status == CYF_OK) status = refuse(file, &members);
  cyf_names_destroy(&members);
  return status;
}
