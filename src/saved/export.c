/* SPDX-License-Identifier: MIT */
#include "saved/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/partial.h"
#include "data/tables/gene_list.h"
#include "data/tensors/safetensors.h"
#include "kernels/backend.h"
#include "saved/exported.h"
#include "saved/model_scale.h"
#include "saved/python_modules.h"

enum { N_TEXTS = 4 };

/* A module's tensors on the host: parameters, then buffers. */
typedef struct module {
  char stem[CYF_EXPORTED_NAME_BYTES], prefix[CYF_EXPORTED_NAME_BYTES];
  float *flat[2];
  cyf_safetensors_part part[2];
} module;

typedef struct export {
  const cyf_model *model;
  const char *directory;
  char *description; /* saved/exported.h */
  module *modules;
  int n_modules;
}
export;

static cyf_status add_module(export *e, const char *stem, const char *prefix, const cyf_parameters *p) {
  module *m = &e->modules[e->n_modules++];
  cyf_device *device = p->device;
  const cyf_layout *layouts[] = {&p->layout, &p->buffer_layout};
  const float *values[] = {p->value, p->buffer};
  snprintf(m->stem, sizeof m->stem, "%s", stem);
  snprintf(m->prefix, sizeof m->prefix, "%s", prefix);
  for (int i = 0; i < 2; i++) {
    CYF_TRY(CYF_NEW(&m->flat[i], layouts[i]->total));
    if (layouts[i]->total > 0)
      CYF_TRY(device->ops->download(device, m->flat[i], values[i], sizeof(float) * (size_t)layouts[i]->total));
    m->part[i] = (cyf_safetensors_part){m->prefix, layouts[i], m->flat[i]};
  }
  return device->ops->synchronize(device);
}

static cyf_status list_modules(export *e) {
  const cyf_model *model = e->model;
  CYF_TRY(CYF_NEW(&e->modules, model->n_attributes + 2));
  CYF_TRY(add_module(e, CYF_EXPORTED_AUTOENCODER, "autoencoder.", cyf_autoencoder_parameters(model->autoencoder)));
  if (model->denoiser != NULL)
    CYF_TRY(add_module(e, CYF_EXPORTED_DENOISER, "denoiser.", cyf_denoiser_parameters(model->denoiser)));
  for (int64_t i = 0; i < model->n_attributes; i++) {
    char stem[CYF_EXPORTED_NAME_BYTES], prefix[CYF_EXPORTED_NAME_BYTES];
    if (model->attributes[i].classifier == NULL) continue;
    snprintf(stem, sizeof stem, CYF_EXPORTED_CLASSIFIER, (long long)i);
    snprintf(prefix, sizeof prefix, CYF_EXPORTED_CLASSIFIER_PREFIX, (long long)i);
    CYF_TRY(add_module(e, stem, prefix, cyf_classifier_parameters(model->attributes[i].classifier)));
  }
  return CYF_OK;
}

static cyf_status write_tensors(const export *e, const char *stem, int n_parts, const cyf_safetensors_part *parts) {
  const cyf_safetensors_text texts[N_TEXTS] = {{"format", "pt"},
                                               {"description", "written by cytoforge " CYF_VERSION},
                                               {CYF_EXPORTED_MODULE, stem},
                                               {CYF_EXPORTED_MODEL, e->description}};
  char *name = NULL, *path = NULL;
  int64_t bytes = 0;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_format(&name, "%s.safetensors", stem));
  CYF_TRY_CLEANUP(cyf_path_join(e->directory, name, &path));
  CYF_TRY_CLEANUP(cyf_safetensors_write(path, N_TEXTS, texts, n_parts, parts));
  CYF_TRY_CLEANUP(cyf_file_size_bytes(path, &bytes));
  cyf_info("wrote %s (%.1f MB)", path, (double)bytes / 1e6);
cleanup:
  cyf_free(name);
  cyf_free(path);
  return status;
}

static cyf_status write_one_file(const export *e) {
  cyf_safetensors_part *parts = NULL;
  CYF_TRY(CYF_NEW(&parts, 2 * e->n_modules));
  for (int i = 0; i < e->n_modules; i++) memcpy(parts + 2 * i, e->modules[i].part, sizeof e->modules[i].part);
  const cyf_status status = write_tensors(e, CYF_EXPORTED_WHOLE, 2 * e->n_modules, parts);
  cyf_free(parts);
  return status;
}

static cyf_status write_a_file_each(export *e) {
  for (int i = 0; i < e->n_modules; i++) {
    e->modules[i].prefix[0] = '\0';
    CYF_TRY(write_tensors(e, e->modules[i].stem, 2, e->modules[i].part));
  }
  return CYF_OK;
}

static cyf_status write_names(const export *e, const char *name, const cyf_names *names) {
  char *path = NULL;
  CYF_TRY(cyf_path_join(e->directory, name, &path));
  const cyf_status status = cyf_gene_list_write(path, names);
  cyf_free(path);
  return status;
}

static cyf_status write_lists(const export *e) {
  CYF_TRY(write_names(e, "genes.txt", &e->model->genes));
  for (int64_t i = 0; i < e->model->n_attributes; i++) {
    char name[CYF_EXPORTED_NAME_BYTES];
    snprintf(name, sizeof name, "labels_%lld.txt", (long long)i);
    CYF_TRY(write_names(e, name, &e->model->attributes[i].categories));
  }
  return CYF_OK;
}

static void describe_loading(const export *e, cyf_export_format format, FILE *out) {
  if (format == CYF_EXPORT_PYTORCH_NAMES) {
    fprintf(out,
            "Each module's tensors are in a file of their own, under exactly the names of its published state dict:\n\n"
            "    from safetensors.torch import load_file\n");
    for (int i = 0; i < e->n_modules; i++)
      fprintf(out, "    %s.load_state_dict(load_file(\"%s.safetensors\"))\n", e->modules[i].stem, e->modules[i].stem);
    fprintf(
        out,
        "\nThe scDiffusion scripts read torch.save's files; from these: torch.save(load_file(\"denoiser.safetensors\"),"
        " \"model.pt\").\n"
        "SCimilarity's encoder.ckpt is {\"state_dict\": ...} of the names behind \"encoder.\", decoder.ckpt that of "
        "those "
        "behind \"decoder.\".\n");
  } else {
    fprintf(
        out,
        "model.safetensors holds all tensors, under the names of the published state dicts behind the module's name:"
        "\n\n    from safetensors.torch import load_file\n"
        "    tensors = load_file(\"model.safetensors\")\n"
        "    def part(prefix):\n"
        "        return {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)}\n");
    for (int i = 0; i < e->n_modules; i++)
      fprintf(out, "    %s.load_state_dict(part(\"%s\"))\n", e->modules[i].stem, e->modules[i].prefix);
    fprintf(out, "\nA torch module with submodules of these names loads the whole file at once.\n");
  }
}

static void describe_model(const export *e, FILE *out) {
  char scale[CYF_SCALE_TEXT_SIZE];
  const cyf_settings *s = &e->model->settings;
  fprintf(out,
          "\nNumbers are float32, bit for bit those of the model; num_batches_tracked is int64. The encoder's input is "
          "%s\nover the genes of genes.txt, in that order; its output is normalised to unit "
          "length. %s\n",
          cyf_scale_text(e->model->target, scale),
          s->autoencoder.likelihood == CYF_LIKELIHOOD_NB
              ? "The decoder's output y is log shares: counts are negative binomials of mean total x softmax(y) and "
                "inverse dispersion exp(dispersion.log_theta),\nlog total a normal whose mean and log deviation "
                "library.* makes of the decoder's last hidden layer. The published modules lack these tensors."
              : "ReLU follows the decoder.");
  fprintf(
      out,
      "Diffusion: %lld steps, %s betas; a latent is multiplied by %.9g before noise is added and divided by it after "
      "sampling%s.\n",
      (long long)s->diffusion.timesteps, cyf_beta_schedule_words[s->diffusion.betas], e->model->latent_scale,
      s->diffusion.unit_length ? ", then normalised to unit length" : "");
  fprintf(out, "Classifiers were trained on timesteps below %lld.\n", (long long)s->diffusion.guide_below);
  for (int64_t i = 0; i < e->model->n_attributes; i++)
    fprintf(out, "labels_%lld.txt: the classes of \"%s\", one a line in the order of their codes%s.\n", (long long)i,
            e->model->attributes[i].name, e->model->attributes[i].classifier != NULL ? "" : " (no classifier)");
}

/* What each reader of the folder calls. */
static void describe_reading(FILE *out) {
  fprintf(out,
          "Back into cytoforge, with every setting:\n\n    cytoforge import THIS_FOLDER -o model.h5\n\n"
          "The files carry the settings in their metadata, under \"" CYF_EXPORTED_MODEL
          "\" (JSON); one made of them by torch.save does not.\n\n"
          "With PyTorch alone, through cytoforge_modules.py beside this file:\n\n"
          "    from cytoforge_modules import load, log_normalise\n"
          "    model = load(\"THIS_FOLDER\")\n"
          "    latents = model.encode(log_normalise(counts))  # a float tensor [cells, genes]\n"
          "    cells = model.decode(latents)\n\n");
}

static cyf_status write_modules(const export *e) {
  char *path = NULL;
  CYF_TRY(cyf_path_join(e->directory, "cytoforge_modules.py", &path));
  const cyf_status status = cyf_write_text_file(path, cyf_python_modules);
  cyf_free(path);
  return status;
}

static cyf_status write_readme(const export *e, cyf_export_format format) {
  char *text = NULL, *path = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  if (out == NULL) return CYF_FAIL(CYF_ERR_MEMORY, "export: no memory for the README");
  fprintf(out, "Weights of a cytoforge model (cytoforge %s), as safetensors with PyTorch's tensor names.\n\n",
          CYF_VERSION);
  describe_reading(out);
  describe_loading(e, format, out);
  describe_model(e, out);
  cyf_status status = fclose(out) == 0 ? CYF_OK : CYF_FAIL(CYF_ERR_MEMORY, "export: no memory for the README");
  if (status == CYF_OK) status = cyf_path_join(e->directory, "README", &path);
  if (status == CYF_OK) status = cyf_write_text_file(path, text);
  cyf_free(path);
  free(text);
  return status;
}

cyf_status cyf_model_export(const cyf_model *model, cyf_export_format format, const char *directory) {
  export e = {.model = model, .directory = directory};
  int lock = -1;
  cyf_status status;
  CYF_TRY_CLEANUP(cyf_exported_text(model, &e.description));
  CYF_TRY_CLEANUP(cyf_make_directory(directory));
  CYF_TRY_CLEANUP(cyf_lock_folder(directory, "export", &lock));
  CYF_TRY_CLEANUP(list_modules(&e));
  CYF_TRY_CLEANUP(write_readme(&e, format));
  CYF_TRY_CLEANUP(write_lists(&e));
  CYF_TRY_CLEANUP(write_modules(&e));
  CYF_TRY_CLEANUP(format == CYF_EXPORT_SAFETENSORS ? write_one_file(&e) : write_a_file_each(&e));
cleanup:
  cyf_lock_release_folder(directory, &lock);
  for (int i = 0; i < e.n_modules; i++)
    for (int k = 0; k < 2; k++) cyf_free(e.modules[i].flat[k]);
  cyf_free(e.modules);
  cyf_free(e.description);
  return status;
}
