#ifndef CYF_BASE_YAML_VERSION_H
#define CYF_BASE_YAML_VERSION_H

/* libyaml's version as loaded, static. */
const char *cyf_yaml_version(void);

#endif
