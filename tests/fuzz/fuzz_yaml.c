/* SPDX-License-Identifier: MIT */
/* libFuzzer target: any text as a settings file of every type of setting, and as a YAML document that is walked. What
 * is read is printed, and must be read again as the same. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/config/config.h"
#include "base/config/yaml_doc.h"
#include "base/memory.h"

typedef struct settings {
  bool flag;
  int64_t number;
  double real;
  char *text;
  int choice;
  cyf_config_ints ints;
  cyf_config_texts texts;
} settings;

static const char *const choices[] = {"first", "second", NULL};
static const cyf_config_field fields[] = {
    {"a.flag", CYF_CONFIG_BOOL, offsetof(settings, flag), "true", 1, 0, NULL, "a switch"},
    {"a.number", CYF_CONFIG_INT, offsetof(settings, number), "7", -1000, 1000000, NULL, "a number"},
    {"a.b.real", CYF_CONFIG_REAL, offsetof(settings, real), "0.5", 1, 0, NULL, "a real number"},
    {"c.text", CYF_CONFIG_STRING, offsetof(settings, text), "", 1, 0, NULL, "a text"},
    {"c.choice", CYF_CONFIG_CHOICE, offsetof(settings, choice), "first", 1, 0, choices, "a choice"},
    {"c.ints", CYF_CONFIG_INT_LIST, offsetof(settings, ints), "[1, 2]", 0, 100, NULL, "a list"},
    {"c.texts", CYF_CONFIG_TEXT_LIST, offsetof(settings, texts), "[]", 1, 0, NULL, "a list of texts"},
};
static const cyf_config_schema schema = {fields, sizeof fields / sizeof *fields};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void walk(const cyf_yaml *document, cyf_yaml_node node, int depth) {
  const int64_t n = cyf_yaml_count(document, node);
  for (int64_t i = 0; i < n && i < 64 && depth < 8; i++) walk(document, cyf_yaml_item(document, node, i), depth + 1);
  const char *text = NULL;
  int64_t number = 0;
  const cyf_yaml_node member = cyf_yaml_get(document, node, "a");
  (void)cyf_yaml_count(document, member);
  if (cyf_yaml_require_text(document, node, "a", &text) != CYF_OK) cyf_status_clear();
  if (cyf_yaml_require_int(document, node, "a", &number) != CYF_OK) cyf_status_clear();
}

static void read_document(const uint8_t *bytes, size_t size) {
  char path[64];
  cyf_yaml *document = NULL;
  const int memory = memfd_create("fuzzed", 0);
  if (memory < 0 || write(memory, bytes, size) != (ssize_t)size) abort();
  snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
  if (cyf_yaml_open(path, &document) == CYF_OK)
    walk(document, cyf_yaml_root(document), 0);
  else
    cyf_status_clear();
  cyf_yaml_destroy(&document);
  close(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  settings one = {0}, two = {0};
  char *text = malloc(size + 1), *printed = NULL, *again = NULL;
  if (!text) abort();
  memcpy(text, bytes, size);
  text[size] = '\0';
  cyf_status_clear();
  read_document(bytes, size);
  if (cyf_config_defaults(&schema, &one) != CYF_OK || cyf_config_defaults(&schema, &two) != CYF_OK) abort();
  if (cyf_config_read_text(&schema, "fuzzed", text, &one) == CYF_OK) {
    if (cyf_config_to_text(&schema, &one, &printed) != CYF_OK) abort();
    if (cyf_config_read_text(&schema, "printed", printed, &two) != CYF_OK) abort();
    if (cyf_config_to_text(&schema, &two, &again) != CYF_OK || strcmp(printed, again) != 0) abort();
  }
  cyf_free(printed);
  cyf_free(again);
  cyf_config_destroy_strings(&schema, &one);
  cyf_config_destroy_strings(&schema, &two);
  free(text);
  return 0;
}
