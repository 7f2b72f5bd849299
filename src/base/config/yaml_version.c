/* SPDX-License-Identifier: MIT */
#include "base/config/yaml_version.h"

#include <yaml.h>

const char *cyf_yaml_version(void) {
  return yaml_get_version_string();
}
