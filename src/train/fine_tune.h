/* SPDX-License-Identifier: MIT */
/** @file
 * Training that starts from a pretrained autoencoder of SCimilarity (autoencoder.init). */
#ifndef CYF_TRAIN_FINE_TUNE_H
#define CYF_TRAIN_FINE_TUNE_H

#include "data/tables/labels.h"
#include "model/autoencoder.h"

/** Replaces the values of an initialised autoencoder by those of a SCimilarity directory (encoder.ckpt, decoder.ckpt,
 * gene_order.tsv). Genes are matched by name with `genes`, the atlas'. A matched gene takes over its column of the
 * first layer and its row of the last; the others keep their initial values. Every other tensor is taken over whole,
 * with the batch norms' statistics. A model of counts keeps its own last layer. Logs how many genes matched. Every rank
 * reads the files; not collective. Errors: CYF_ERR_INPUT (files; not one gene matches), CYF_ERR_CONFIG when the widths
 * differ, naming the settings to change. */
cyf_status cyf_autoencoder_start_from(cyf_autoencoder *autoencoder, const char *directory, const cyf_names *genes);

#endif
