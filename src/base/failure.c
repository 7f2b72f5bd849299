/* SPDX-License-Identifier: MIT */
#include "base/failure.h"

#include <string.h>

void cyf_failure_note(cyf_failure *failure, cyf_status status) {
  if (status == CYF_OK) return;
  const char *message = cyf_status_message();
  pthread_mutex_lock(&failure->mutex);
  if (failure->status == CYF_OK) {
    failure->status = status;
    strcpy(failure->message, message[0] ? message : cyf_status_name(status)); /* of CYF_MESSAGE_BYTES at most */
  }
  pthread_mutex_unlock(&failure->mutex);
  cyf_status_clear();
}

bool cyf_failure_is_noted(cyf_failure *failure) {
  pthread_mutex_lock(&failure->mutex);
  const bool noted = failure->status != CYF_OK;
  pthread_mutex_unlock(&failure->mutex);
  return noted;
}

cyf_status cyf_failure_raise(cyf_failure *failure) {
  pthread_mutex_lock(&failure->mutex);
  const cyf_status status = failure->status;
  if (status != CYF_OK) cyf_status_set(status, failure->message);
  pthread_mutex_unlock(&failure->mutex);
  return status;
}

void cyf_failure_forget(cyf_failure *failure) {
  pthread_mutex_lock(&failure->mutex);
  failure->status = CYF_OK;
  pthread_mutex_unlock(&failure->mutex);
}
