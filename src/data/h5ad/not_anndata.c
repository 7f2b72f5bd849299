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

static cyf_status list_members(const cyf_h5ad *file, const char *path, cyf_names *names) {
  /* In the file's own order: to sort them, HDF5 1.10 makes a table, which it releases wrongly where a link is damaged.
   */
  if (H5Literate_by_name(file->file, path, H5_INDEX_NAME, H5_ITER_NATIVE, NULL, add_name, names, H5P_DEFAULT) < 0)
    H5Eclear2(H5E_DEFAULT); /* nothing is listed: it is of no format known here */
  return cyf_h5_check_reads(file->file, file->path);
}

/* Whether the group (NULL: the file) has all of these. */
static cyf_status has_all(const cyf_h5ad *file, const char *group, const char *const *names, int n, bool *ret_has) {
  char path[CYF_H5_REASON_SIZE];
  *ret_has = true;
  for (int i = 0; i < n && *ret_has; i++) {
    *ret_has = snprintf(path, sizeof path, "%s%s%s", group ? group : "", group ? "/" : "", names[i]) < (int)sizeof path;
    if (*ret_has) CYF_TRY(cyf_h5_exists(file->file, path, file->path, ret_has));
  }
  return CYF_OK;
}

/* Cell Ranger: /matrix of version 3 and later, a group for each genome before. */
static cyf_status is_10x(const cyf_h5ad *file, const char *group, bool *ret_is) {
  static const char *const genes[] = {"features", "genes", "gene_names"};
  *ret_is = false;
  for (int i = 0; i < 3 && !*ret_is; i++) {
    const char *const names[] = {"barcodes", "indptr", genes[i]};
    CYF_TRY(has_all(file, group, names, 3, ret_is));
  }
  return CYF_OK;
}

/* Several genomes, as version 2 keeps them, are read one at a time. */
static cyf_status is_10x_file(const cyf_h5ad *file, const cyf_names *members, const char *group) {
  char line[256], genome[96] = "";
  if (members->n > 1 && strcmp(group, "matrix") != 0) snprintf(genome, sizeof genome, ", genome='%.64s'", group);
  snprintf(line, sizeof line, "python3 -c \"import scanpy; scanpy.read_10x_h5('<'%s).write_h5ad('>')\"", genome);
  return cyf_other_format_is(file->path, "a 10x HDF5 file", line);
}

static cyf_status is_mudata(const cyf_h5ad *file) {
  enum { LIST_BYTES = 512 };
  char list[LIST_BYTES], what[LIST_BYTES + 64], line[LIST_BYTES];
  cyf_names names = {0};
  cyf_status status = list_members(file, "mod", &names);
  const char *first = cyf_names_find(&names, "rna") >= 0 || names.n == 0 ? "rna" : names.name[0];
  snprintf(what, sizeof what, "a MuData file (of the modalities %s)",
           cyf_list_names(names.n, (const char *const *)names.name, list, sizeof list));
  snprintf(line, sizeof line, "python3 -c \"import mudata; mudata.read_h5ad('<', mod='%.64s').write_h5ad('>')\"",
           first);
  if (status == CYF_OK) status = cyf_other_format_is(file->path, what, line);
  cyf_names_destroy(&names);
  return status;
}

cyf_status cyf_h5ad_is_loom(const cyf_h5ad *file, bool *ret_is) {
  static const char *const names[] = {"row_attrs", "col_attrs", "matrix"};
  return has_all(file, NULL, names, 3, ret_is);
}

/* The failure for a file of no layout known here. */
static cyf_status is_unknown(const cyf_h5ad *file, const cyf_names *members) {
  char list[CYF_NAMES_LIST_BYTES];
  bool has_obs = false, has_var = false;
  CYF_TRY(cyf_h5_exists(file->file, "obs", file->path, &has_obs));
  CYF_TRY(cyf_h5_exists(file->file, "var", file->path, &has_var));
  if (has_obs || has_var)
    return CYF_FAIL(
        CYF_ERR_INPUT,
        "%s: is an AnnData file without any matrix (it has neither X, layers nor raw/X); this gives it one: "
        "python3 -c \"import anndata; a = anndata.read_h5ad('%s'); a.X = COUNTS; a.write_h5ad('%s')\"",
        file->path, file->path, file->path);
  return CYF_FAIL(CYF_ERR_INPUT, "%s: not an AnnData file (it has neither X, layers nor raw/X, but: %s)", file->path,
                  cyf_list_names(members->n, (const char *const *)members->name, list, sizeof list));
}

/* Fails where the file is of another format that is known here. */
static cyf_status check_formats(const cyf_h5ad *file, const cyf_names *members) {
  static const char *const molecules[] = {"barcode_idx", "barcodes"}, *const seurat[] = {"assays", "cell.names"};
  char *format = NULL;
  bool is = false;
  H5I_type_t mod = H5I_BADID;
  CYF_TRY(cyf_h5_read_text_attribute(file->file, "format", file->path, &format));
  const bool is_ours = format && strcmp(format, "cytoforge") == 0;
  cyf_free(format);
  if (is_ours) return CYF_FAIL(CYF_ERR_INPUT, "%s: is a model or a checkpoint of cytoforge, not cells", file->path);
  CYF_TRY(cyf_h5ad_is_loom(file, &is));
  if (is)
    return cyf_other_format_is(file->path, "a loom file",
                               "python3 -c \"import scanpy; scanpy.read_loom('<').write_h5ad('>')\"");
  CYF_TRY(cyf_h5_object_type(file->file, "mod", file->path, &mod));
  if (mod == H5I_GROUP) return is_mudata(file);
  CYF_TRY(has_all(file, NULL, molecules, 2, &is));
  if (is)
    return CYF_FAIL(
        CYF_ERR_INPUT,
        "%s: is a 10x molecule file, which lists molecules, not cells; filtered_feature_bc_matrix.h5 of the "
        "same run has the cells",
        file->path);
  CYF_TRY(has_all(file, NULL, seurat, 2, &is));
  if (is)
    return cyf_other_format_is(file->path, "a Seurat file (h5seurat)",
                               "Rscript -e \"SeuratDisk::Convert('<', dest = '>')\"");
  for (int64_t i = 0; i < members->n; i++) {
    CYF_TRY(is_10x(file, members->name[i], &is));
    if (is) return is_10x_file(file, members, members->name[i]);
  }
  return CYF_OK;
}

cyf_status cyf_h5ad_refuse_layout(const cyf_h5ad *file) {
  cyf_names members = {0};
  cyf_status status = list_members(file, "/", &members);
  if (status == CYF_OK) status = check_formats(file, &members);
  if (status == CYF_OK) status = is_unknown(file, &members);
  cyf_names_destroy(&members);
  return status;
}

cyf_status cyf_h5ad_check_layout(const cyf_h5ad *file) {
  cyf_names members = {0};
  bool has_obs = false, has_var = false;
  cyf_status status = list_members(file, "/", &members);
  if (status == CYF_OK) status = check_formats(file, &members);
  if (status == CYF_OK) status = cyf_h5_exists(file->file, "obs", file->path, &has_obs);
  if (status == CYF_OK) status = cyf_h5_exists(file->file, "var", file->path, &has_var);
  if (status == CYF_OK && !has_obs && !has_var) status = is_unknown(file, &members);
  cyf_names_destroy(&members);
  return status;
}
