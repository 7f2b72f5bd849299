/* SPDX-License-Identifier: MIT */
/** @file
 * The measures in the order in which the table, the JSON and the page show them. Not collective. */
#ifndef CYF_EVALUATE_REPORT_MEASURE_LIST_H
#define CYF_EVALUATE_REPORT_MEASURE_LIST_H

#include <stdbool.h>

#include "evaluate/evaluate.h"

/** What is said of one measure, and where its score stands. All texts are static. */
typedef struct cyf_measure {
  const char *key;    /**< in JSON */
  const char *title;  /**< at most 26 characters */
  size_t offset;      /**< of the cyf_score in cyf_evaluation */
  const char *best;   /**< which way is better */
  const char *about;  /**< a sentence for the page */
  bool of_generation; /**< of CYF_PROTOCOL_GENERATION alone; false: of every protocol */
} cyf_measure;

/** Number of measures. */
enum { CYF_N_MEASURES = 16 };
/** All measures. */
extern const cyf_measure cyf_measures[CYF_N_MEASURES];

/** The measure's value and ceiling. */
static inline const cyf_score *cyf_measure_score(const cyf_evaluation *evaluation, const cyf_measure *measure) {
  return (const cyf_score *)((const char *)evaluation + measure->offset);
}

/** Whether the evaluation's protocol has the measure. */
static inline bool cyf_measure_is_taken(const cyf_evaluation *evaluation, const cyf_measure *measure) {
  return !measure->of_generation || evaluation->options.protocol == CYF_PROTOCOL_GENERATION;
}

/** Bytes of a number's text. */
enum { CYF_NUMBER_LENGTH = 32 };
/** Writes a number for people into `text` and returns it: four digits after the point, one from 100 on, in
 * scientific notation below 0.001; "-" for NAN. */
const char *cyf_number_text(double value, char text[CYF_NUMBER_LENGTH]);

/** What the ceiling is, such as "120 training cells in place of the 120 synthetic cells"; freed with cyf_free. */
cyf_status cyf_ceiling_text(const cyf_evaluation *evaluation, char **ret_text);

#endif
