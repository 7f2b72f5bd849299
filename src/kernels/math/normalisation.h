/* SPDX-License-Identifier: MIT */
/** @file
 * The one number of log-normalisation: a cell's counts are scaled to a sum of CYF_NORMALISED_TOTAL before log1p. */
#ifndef CYF_KERNELS_MATH_NORMALISATION_H
#define CYF_KERNELS_MATH_NORMALISATION_H

/** What the counts of a normalised cell add up to: values are log1p(count / total * CYF_NORMALISED_TOTAL). As the
 * original scDiffusion has it. Models are trained on it, so that another number would need new ones. */
#define CYF_NORMALISED_TOTAL 1e4

/** The same for messages and help texts, a string literal. */
#define CYF_NORMALISED_TOTAL_TEXT CYF_NORMALISED_SPELL(CYF_NORMALISED_TOTAL)
#define CYF_NORMALISED_SPELL(number) CYF_NORMALISED_QUOTE(number) /**< a step of the macro above */
#define CYF_NORMALISED_QUOTE(number) #number                      /**< likewise: the number as a string */

#endif
