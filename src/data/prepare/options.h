/* SPDX-License-Identifier: MIT */
/** @file
 * The options of `prepare`, a row each.
 *
 * The struct that callers fill, the journal of OUTPUT.partial and the command line are all made from this table. So an
 * option without a row does not exist. A row must say whether the option changes the atlas: the journal holds those
 * that do. Work that was done with other values of these is not gone on with. */
#ifndef CYF_DATA_PREPARE_OPTIONS_H
#define CYF_DATA_PREPARE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "data/tables/label_bins.h"

/** What becomes of a cell whose id an earlier cell of the inputs has. Cells of different samples may have the same
 * barcode, so the default keeps them all and only says how many there are. */
typedef enum cyf_duplicates {
  CYF_DUPLICATES_KEEP,
  CYF_DUPLICATES_REFUSE,
  CYF_DUPLICATES_DROP,
  CYF_N_DUPLICATES
} cyf_duplicates;
/** The words of cyf_duplicates, in its order. */
static const char *const cyf_duplicates_words[] = {"keep", "refuse", "drop", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_duplicates_words) == CYF_N_DUPLICATES, "a word for each");

/** Which genes the atlas has where inputs differ in them. */
typedef enum cyf_genes_join {
  CYF_GENES_JOIN_AUTO,         /**< all, unless that makes too many zeros of what was never measured: then refused */
  CYF_GENES_JOIN_UNION,        /**< all, with zeros in the cells of inputs that lack them */
  CYF_GENES_JOIN_INTERSECTION, /**< those that all inputs have */
  CYF_N_GENES_JOINS
} cyf_genes_join;
/** The words of cyf_genes_join, in its order. */
static const char *const cyf_genes_join_words[] = {"auto", "union", "intersection", NULL};
static_assert(CYF_WORDS_LENGTH(cyf_genes_join_words) == CYF_N_GENES_JOINS, "a word for each");

/** How an option is held. A list `x` comes with its length `n_x`. */
typedef enum cyf_prepare_option_kind {
  CYF_PREPARE_TEXT,       /**< const char *; NULL: not given */
  CYF_PREPARE_MATRIX,     /**< const char *; NULL: X */
  CYF_PREPARE_FILE,       /**< const char *, a file that is read; NULL: none */
  CYF_PREPARE_TEXTS,      /**< const char *const *, a list */
  CYF_PREPARE_INPUTS,     /**< const char *const *, a list of files whose cells are read */
  CYF_PREPARE_BINS,       /**< const cyf_label_bins *, a list */
  CYF_PREPARE_INTEGER,    /**< int64_t */
  CYF_PREPARE_SIZE,       /**< int64_t, bytes */
  CYF_PREPARE_SEED,       /**< uint64_t */
  CYF_PREPARE_REAL,       /**< double */
  CYF_PREPARE_FLAG,       /**< bool */
  CYF_PREPARE_GZIP,       /**< bool: gzip or none */
  CYF_PREPARE_DUPLICATES, /**< cyf_duplicates */
  CYF_PREPARE_GENES_JOIN, /**< cyf_genes_join */
} cyf_prepare_option_kind;

/** The word that stands for the option in the journal. */
#define CYF_CHANGES_ATLAS(word) word
/** The option has no word: the same atlas comes out whatever its value, so a stopped run may go on with another one. */
#define CYF_KEEPS_ATLAS NULL

/** X(kind, field, whether it changes the atlas, name on the command line or ""). The journal's lines have the table's
 * order. */
#define CYF_PREPARE_OPTIONS(X)                                                                        \
  /* atlas directory */                                                                               \
  X(TEXT, output, CYF_KEEPS_ATLAS, "out")                                                             \
  X(MATRIX, matrix, CYF_CHANGES_ATLAS("matrix"), "matrix")                                            \
  /* what the values of all inputs are (h5ad/values.h); NULL: as they tell by themselves */           \
  X(TEXT, values, CYF_CHANGES_ATLAS("values"), "values")                                              \
  /* fractional counts: "round" (NULL too), to whole numbers at random, or "keep" */                  \
  X(TEXT, fractions, CYF_CHANGES_ATLAS("fractions"), "fractions")                                     \
  /* var column with the genes' names; NULL: the index; "COLUMN1,COLUMN2": the first that a file has, \
   * "index" is the index */                                                                          \
  X(TEXT, gene_column, CYF_CHANGES_ATLAS("gene column"), "gene-column")                               \
  /* cells with fewer detected genes are dropped; 10 */                                               \
  X(INTEGER, min_genes, CYF_CHANGES_ATLAS("min genes"), "min-genes")                                  \
  /* genes in fewer training cells are dropped (not when a gene list is given); 3 */                  \
  X(INTEGER, min_cells, CYF_CHANGES_ATLAS("min cells"), "min-cells")                                  \
  /* fraction held out of the cells that holdout_where leaves, [0, 1) */                              \
  X(REAL, holdout, CYF_CHANGES_ATLAS("holdout"), "holdout")                                           \
  X(SEED, seed, CYF_CHANGES_ATLAS("seed"), "seed")                                                    \
  /* 0: a sensible default */                                                                         \
  X(INTEGER, cells_per_shard, CYF_CHANGES_ATLAS("shard cells"), "shard-cells")                        \
  /* shards and files for evaluation under gzip */                                                    \
  X(GZIP, compress, CYF_CHANGES_ATLAS("compress"), "compress")                                        \
  /* "COLUMN", or "NAME=COLUMN1,COLUMN2": the first of these obs columns that a file has */           \
  X(TEXTS, labels, CYF_CHANGES_ATLAS("label"), "label")                                               \
  /* obs_rules.h: cells that meet these stay. '=' values of one column are alternatives, different    \
   * columns and '!=' must all be met */                                                              \
  X(TEXTS, keep, CYF_CHANGES_ATLAS("keep"), "keep")                                                   \
  /* obs_rules.h: cells that meet all terms of one of these are held out */                           \
  X(TEXTS, holdout_where, CYF_CHANGES_ATLAS("holdout where"), "holdout-where")                        \
  /* numeric labels that become classes of ranges; attributes are labels' names */                    \
  X(BINS, bins, CYF_CHANGES_ATLAS("bins"), "bins")                                                    \
  /* among the cells that `keep` leaves, in input order */                                            \
  X(DUPLICATES, duplicates, CYF_CHANGES_ATLAS("duplicates"), "duplicates")                            \
  /* obs column that identifies cells; NULL: the index */                                             \
  X(TEXT, id_column, CYF_CHANGES_ATLAS("id column"), "id-column")                                     \
  /* gene list, one name a line; NULL: the union of the inputs' genes */                              \
  X(FILE, genes_path, CYF_CHANGES_ATLAS("genes"), "genes")                                            \
  /* inputs that differ in their genes; not with a gene list */                                       \
  X(GENES_JOIN, genes_join, CYF_CHANGES_ATLAS("genes join"), "genes-join")                            \
  /* label_map.h; NULL: none */                                                                       \
  X(FILE, label_map_path, CYF_CHANGES_ATLAS("label map"), "label-map")                                \
  X(INPUTS, inputs, CYF_CHANGES_ATLAS("input"), "")                                                   \
  /* a rank may take; 0: cyf_prepare_default_memory. Where it changes how shards are cut, that is     \
   * found out on the way, and only the shuffle begins anew */                                        \
  X(SIZE, memory_bytes, CYF_KEEPS_ATLAS, "memory")                                                    \
  /* print the plan and write nothing */                                                              \
  X(FLAG, dry_run, CYF_KEEPS_ATLAS, "dry-run")                                                        \
  /* begin anew although OUTPUT.partial could be gone on with */                                      \
  X(FLAG, fresh, CYF_KEEPS_ATLAS, "fresh")                                                            \
  /* replace an existing atlas */                                                                     \
  X(FLAG, force, CYF_KEEPS_ATLAS, "force")                                                            \
  /* for provenance; may be NULL */                                                                   \
  X(TEXT, command_line, CYF_KEEPS_ATLAS, "")

/** @{ */
/** A field of cyf_prepare_options by its kind. */
#define CYF_PREPARE_FIELD_TEXT(field) const char *field;
#define CYF_PREPARE_FIELD_MATRIX(field) const char *field;
#define CYF_PREPARE_FIELD_FILE(field) const char *field;
#define CYF_PREPARE_FIELD_TEXTS(field) \
  const char *const *field;            \
  int64_t n_##field;
#define CYF_PREPARE_FIELD_INPUTS(field) CYF_PREPARE_FIELD_TEXTS(field)
#define CYF_PREPARE_FIELD_BINS(field) \
  const cyf_label_bins *field;        \
  int64_t n_##field;
#define CYF_PREPARE_FIELD_INTEGER(field) int64_t field;
#define CYF_PREPARE_FIELD_SIZE(field) int64_t field;
#define CYF_PREPARE_FIELD_SEED(field) uint64_t field;
#define CYF_PREPARE_FIELD_REAL(field) double field;
#define CYF_PREPARE_FIELD_FLAG(field) bool field;
#define CYF_PREPARE_FIELD_GZIP(field) bool field;
#define CYF_PREPARE_FIELD_DUPLICATES(field) cyf_duplicates field;
#define CYF_PREPARE_FIELD_GENES_JOIN(field) cyf_genes_join field;
#define CYF_PREPARE_FIELD(kind, field, journal, name) CYF_PREPARE_FIELD_##kind(field)
#define CYF_PREPARE_ROW(kind, field, journal, name) CYF_PREPARE_ROW_##field,
#define CYF_PREPARE_IS_NAMED(kind, field, journal, name) +(sizeof(name) > 1)
/** @} */

/** What cyf_prepare is asked for. Nothing is owned. Zeroes are legal but for inputs and output. */
typedef struct cyf_prepare_options {
  CYF_PREPARE_OPTIONS(CYF_PREPARE_FIELD)
} cyf_prepare_options;

/** The options' places in the table, CYF_PREPARE_ROW_min_genes and so on, and their number. */
enum { CYF_PREPARE_OPTIONS(CYF_PREPARE_ROW) CYF_PREPARE_N_OPTIONS };
/** How many rows have a name on the command line. */
enum { CYF_PREPARE_N_NAMED = 0 CYF_PREPARE_OPTIONS(CYF_PREPARE_IS_NAMED) };

/** A row of the table. */
typedef struct cyf_prepare_option {
  cyf_prepare_option_kind kind;
  size_t offset;       /**< of the field in cyf_prepare_options */
  size_t count_offset; /**< lists: of the field's length */
  const char *journal; /**< its word in the journal; NULL: the option does not change the atlas */
  const char *name;    /**< on the command line, without the dashes; "": not there */
} cyf_prepare_option;

/** The table; its rows are CYF_PREPARE_OPTIONS'. */
extern const cyf_prepare_option cyf_prepare_option_table[CYF_PREPARE_N_OPTIONS];

#endif
