# SPDX-License-Identifier: MIT
# Sourced by scripts. Variables that name what a machine may lack have one rule, the same as in tests/support/environment.h. A variable that is
# unset or empty, or that names what is not there, gives nothing.

# given_folder VARIABLE: prints the whole path of the folder that it names, or nothing.
given_folder() {
  local path=${!1:-}
  if [ -n "$path" ] && [ -d "$path" ]; then (cd "$path" && pwd); fi
}

# given_program VARIABLE: prints its value where the shell finds such a program, or nothing.
given_program() {
  local program=${!1:-}
  if [ -n "$program" ] && command -v "$program" >/dev/null; then printf '%s\n' "$program"; fi
}

# Prints the folder of real data: CYTOFORGE_REAL_DATA's, else ../shared/data beside the checkout, else nothing.
real_data_folder() {
  local beside=../shared/data folder
  folder=$(given_folder CYTOFORGE_REAL_DATA)
  [ -n "$folder" ] || folder=$(given_folder beside)
  printf '%s\n' "$folder"
}

# real_data_file NAME: prints the whole path of one of its files; says so and fails where there is none.
real_data_file() {
  local folder
  folder=$(real_data_folder)
  if [ -z "$folder" ] || [ ! -f "$folder/$1" ]; then
    echo "no $1: CYTOFORGE_REAL_DATA names the folder that has it" >&2
    return 1
  fi
  printf '%s\n' "$folder/$1"
}
