/* SPDX-License-Identifier: MIT */
#ifndef CYF_BASE_CONFIG_YAML_VERSION_H
#define CYF_BASE_CONFIG_YAML_VERSION_H

/** libyaml's version as loaded, static. */
const char *cyf_yaml_version(void);

#endif
