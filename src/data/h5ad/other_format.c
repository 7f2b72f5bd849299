/* SPDX-License-Identifier: MIT */
#include "data/h5ad/other_format.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { PATH_BYTES = 1024, LINE_BYTES = 3072, MAGIC_BYTES = 16 };

static bool ends_with(const char *text, const char *end) {
  const size_t n = strlen(text), n_end = strlen(end);
  return n >= n_end && strcasecmp(text + n - n_end, end) == 0;
}

/* The path of the .h5ad to make: the path without slashes and the format's endings. It is never the path itself, which
 * the command would write over. */
static void name_output(const char *path, char output[PATH_BYTES]) {
  static const char *const ends[] = {".gz",  ".zip", ".h5",    ".hdf5", ".loom", ".h5mu", ".h5seurat", ".zarr",
                                     ".mtx", ".rds", ".rdata", ".rda",  ".csv",  ".tsv",  ".txt",      ".h5ad"};
  enum { ENDING = sizeof("-1.h5ad") };
  snprintf(output, PATH_BYTES - ENDING, "%s", path);
  for (size_t n = strlen(output); n > 1 && output[n - 1] == '/'; n--) output[n - 1] = '\0';
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    if (ends_with(output, ends[i])) output[strlen(output) - strlen(ends[i])] = '\0';
  const size_t n = strlen(output), ending = strlen(".h5ad");
  const char *rest = strncmp(output, path, n) == 0 ? path + n : "";
  const bool is_path = strncmp(rest, ".h5ad", ending) == 0 && rest[ending + strspn(rest + ending, "/")] == '\0';
  strcat(output, is_path ? "-1.h5ad" : ".h5ad");
}

cyf_status cyf_other_format_is(const char *path, const char *what, const char *line) {
  char output[PATH_BYTES], command[LINE_BYTES] = "";
  size_t used = 0;
  name_output(path, output);
  for (const char *c = line; *c && used + 1 < sizeof command; c++) {
    const char one[2] = {*c, '\0'};
    used += (size_t)snprintf(command + used, sizeof command - used, "%s", *c == '<' ? path : *c == '>' ? output : one);
  }
  return CYF_FAIL(CYF_ERR_INPUT, "%s: is %s, not an .h5ad file. This makes one of it: %s", path, what, command);
}

static bool has_entry(const char *folder, const char *name) {
  char path[PATH_BYTES];
  struct stat facts;
  return snprintf(path, sizeof path, "%s/%s", folder, name) < PATH_BYTES && stat(path, &facts) == 0;
}

/* A zarr store, of version 2 or 3. */
static bool is_zarr(const char *folder) {
  static const char *const marks[] = {".zgroup", ".zattrs", ".zmetadata", "zarr.json"};
  for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
    if (has_entry(folder, marks[i])) return true;
  return false;
}

/* Whether the folder holds PREFIXmatrix.mtx or PREFIXmatrix.mtx.gz, as Cell Ranger and GEO name them; the shortest
 * prefix. */
static bool holds_10x_matrix(const char *folder, char prefix[PATH_BYTES]) {
  DIR *entries = opendir(folder);
  bool found = false;
  const struct dirent *entry = NULL;
  while (entries && (entry = readdir(entries)) != NULL) {
    const char *name = entry->d_name, *matrix = strstr(name, "matrix.mtx");
    if (!matrix || !(ends_with(name, "matrix.mtx") || ends_with(name, "matrix.mtx.gz"))) continue;
    if (!found || strlen(prefix) > (size_t)(matrix - name))
      snprintf(prefix, PATH_BYTES, "%.*s", (int)(matrix - name), name);
    found = true;
  }
  if (entries) closedir(entries);
  return found;
}

static cyf_status is_10x_folder(const char *path, const char *prefix) {
  char line[LINE_BYTES];
  snprintf(line, sizeof line, "python3 -c \"import scanpy; scanpy.read_10x_mtx('<'%s%s%s).write_h5ad('>')\"",
           prefix[0] ? ", prefix='" : "", prefix, prefix[0] ? "'" : "");
  return cyf_other_format_is(path, "a 10x matrix folder", line);
}

static cyf_status check_folder(const char *path) {
  if (is_zarr(path) && has_entry(path, "mod"))
    return cyf_other_format_is(path, "a zarr store of MuData",
                               "python3 -c \"import mudata; mudata.read_zarr('<').mod['rna'].write_h5ad('>')\"");
  if (is_zarr(path) || ends_with(path, ".zarr") || ends_with(path, ".zarr/"))
    return cyf_other_format_is(path, "a zarr store",
                               "python3 -c \"import anndata; anndata.read_zarr('<').write_h5ad('>')\"");
  char prefix[PATH_BYTES];
  return holds_10x_matrix(path, prefix) ? is_10x_folder(path, prefix) : CYF_OK;
}

/* A Matrix Market file: that of a 10x folder has the names of genes and cells beside it. */
static cyf_status is_matrix_market(const char *path) {
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *matrix = strstr(name, "matrix.mtx");
  char line[LINE_BYTES];
  if (!matrix)
    return cyf_other_format_is(path, "a Matrix Market file",
                               "python3 -c \"import scanpy; scanpy.read_mtx('<').T.write_h5ad('>')\" (without names of "
                               "genes and cells; leave .T out where cells are its rows)");
  const int folder = slash ? (int)(slash - path) : 1;
  snprintf(line, sizeof line, "python3 -c \"import scanpy; scanpy.read_10x_mtx('%.*s'%s%.*s%s).write_h5ad('>')\"",
           folder, slash ? path : ".", matrix > name ? ", prefix='" : "", (int)(matrix - name), name,
           matrix > name ? "'" : "");
  return cyf_other_format_is(path, "the Matrix Market file of a 10x matrix folder", line);
}

static cyf_status is_text_table(const char *path, bool commas) {
  char line[LINE_BYTES];
  snprintf(line, sizeof line,
           "python3 -c \"import scanpy; scanpy.read_%s('<').write_h5ad('>')\" (.T before .write_h5ad where genes are "
           "its rows)",
           commas ? "csv" : "text");
  return cyf_other_format_is(path, "a table as text", line);
}

static cyf_status is_of_r(const char *path) {
  char line[LINE_BYTES];
  snprintf(line, sizeof line, "Rscript -e \"zellkonverter::writeH5AD(as(%s, 'SingleCellExperiment'), '>')\"",
           ends_with(path, ".rds") ? "readRDS('<')" : "get(load('<'))");
  return cyf_other_format_is(path, "a file of R", line);
}

static const struct {
  const char *magic;
  size_t n;
  const char *what, *line;
} packers[] = {{"BZh", 3, "compressed with bzip2", "bunzip2 -k '<'"},
               {"\xfd"
                "7zXZ",
                5, "compressed with xz", "unxz -k '<'"},
               {"\x28\xb5\x2f\xfd", 4, "compressed with zstd", "unzstd '<'"}};

static cyf_status check_file(const char *path, const unsigned char magic[MAGIC_BYTES]) {
  const bool gzip = magic[0] == 0x1f && magic[1] == 0x8b, zip = memcmp(magic, "PK\3\4", 4) == 0;
  if (memcmp(magic, "%%MatrixMarket", 14) == 0 || (gzip && ends_with(path, ".mtx.gz"))) return is_matrix_market(path);
  if (ends_with(path, ".rds") || ends_with(path, ".rda") || ends_with(path, ".rdata")) return is_of_r(path);
  if (ends_with(path, ".csv") || ends_with(path, ".csv.gz")) return is_text_table(path, true);
  if (ends_with(path, ".tsv") || ends_with(path, ".tsv.gz") || ends_with(path, ".txt") || ends_with(path, ".txt.gz"))
    return is_text_table(path, false);
  if (ends_with(path, ".tar") || ends_with(path, ".tar.gz") || ends_with(path, ".tgz"))
    return CYF_FAIL(CYF_ERR_INPUT, "%s: is a tar archive, not an .h5ad file. This unpacks it: tar -xf '%s'", path,
                    path);
  for (size_t i = 0; i < sizeof packers / sizeof *packers; i++)
    if (memcmp(magic, packers[i].magic, packers[i].n) == 0)
      return cyf_other_format_is(path, packers[i].what, packers[i].line);
  if (gzip && ends_with(path, ".gz")) return cyf_other_format_is(path, "compressed with gzip", "gunzip -k '<'");
  if (zip && ends_with(path, ".zarr.zip"))
    return cyf_other_format_is(path, "a zarr store in a zip file",
                               "python3 -c \"import anndata, zarr; "
                               "anndata.read_zarr(zarr.storage.ZipStore('<')).write_h5ad('>')\"");
  if (zip && ends_with(path, ".zip")) return cyf_other_format_is(path, "compressed with zip", "unzip '<'");
  return CYF_OK;
}

cyf_status cyf_other_format_check(const char *path) {
  static const unsigned char hdf5[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
  unsigned char magic[MAGIC_BYTES] = {0};
  struct stat facts;
  if (stat(path, &facts) != 0) return CYF_OK;
  if (S_ISDIR(facts.st_mode)) return check_folder(path);
  if (!S_ISREG(facts.st_mode)) return CYF_OK;
  FILE *file = fopen(path, "rb");
  if (!file) return CYF_OK;
  const size_t n = fread(magic, 1, sizeof magic, file);
  fclose(file);
  return n == 0 || memcmp(magic, hdf5, sizeof hdf5) == 0 ? CYF_OK : check_file(path, magic);
}
