/* SPDX-License-Identifier: MIT */
/* Pinned host memory between the program and the GPU: a ring for uploads, two halves for downloads, and the scalars
 * that operations return. */
#include "base/memory.h"
#include "kernels/cuda/cuda_internal.h"

enum {
  UPLOAD_SLOTS = 4,
  DOWNLOAD_SLOTS = 2,
  SLOT_BYTES = 8 << 20, /* a copy of this takes about 0.3 ms over PCIe 4: long against its launch */
  SCALARS = 1024
};

/* A scalar on its way: slot -> host at the next flush. */
typedef struct pending_scalar {
  void *host;
  const uint64_t *slot;
} pending_scalar;

struct cyf_cuda_staging {
  char *upload[UPLOAD_SLOTS];
  cudaEvent_t uploaded[UPLOAD_SLOTS]; /* recorded when the slot's last copy has been issued */
  int current;                        /* the slot being filled */
  size_t used;                        /* bytes of it */
  char *download[DOWNLOAD_SLOTS];
  cudaEvent_t downloaded[DOWNLOAD_SLOTS];
  uint64_t *scalars; /* [SCALARS], pinned; the GPU writes here */
  pending_scalar pending[SCALARS];
  int n_pending;
};

static cyf_status create_parts(cyf_cuda_staging *s) {
  for (int k = 0; k < UPLOAD_SLOTS; ++k) {
    CYF_CUDA_TRY(cudaHostAlloc((void **)&s->upload[k], SLOT_BYTES, cudaHostAllocPortable));
    CYF_CUDA_TRY(cudaEventCreateWithFlags(&s->uploaded[k], cudaEventDisableTiming));
  }
  for (int k = 0; k < DOWNLOAD_SLOTS; ++k) {
    CYF_CUDA_TRY(cudaHostAlloc((void **)&s->download[k], SLOT_BYTES, cudaHostAllocPortable));
    CYF_CUDA_TRY(cudaEventCreateWithFlags(&s->downloaded[k], cudaEventDisableTiming));
  }
  CYF_CUDA_TRY(
      cudaHostAlloc((void **)&s->scalars, SCALARS * sizeof *s->scalars, cudaHostAllocPortable | cudaHostAllocMapped));
  return CYF_OK;
}

cyf_status cyf_cuda_staging_create(cyf_cuda_device *d, cyf_cuda_staging **ret_staging) {
  (void)d;
  CYF_TRY(CYF_NEW(ret_staging, 1));
  return create_parts(*ret_staging); /* what was made is destroyed with the device */
}

void cyf_cuda_staging_destroy(cyf_cuda_staging **staging) {
  cyf_cuda_staging *s = *staging;
  if (!s) return;
  for (int k = 0; k < UPLOAD_SLOTS; ++k) {
    if (s->uploaded[k]) (void)cudaEventDestroy(s->uploaded[k]);
    (void)cudaFreeHost(s->upload[k]);
  }
  for (int k = 0; k < DOWNLOAD_SLOTS; ++k) {
    if (s->downloaded[k]) (void)cudaEventDestroy(s->downloaded[k]);
    (void)cudaFreeHost(s->download[k]);
  }
  (void)cudaFreeHost(s->scalars);
  cyf_free(*staging);
}

/* Small uploads share a slot; the ring goes on when one is full, and waits only if the GPU is a whole ring behind. */
cyf_status cyf_cuda_staging_to_device(cyf_cuda_device *d, void *to, const void *host, size_t bytes) {
  cyf_cuda_staging *s = d->staging;
  for (size_t done = 0; done < bytes;) {
    if (s->used == SLOT_BYTES) {
      CYF_CUDA_TRY(cudaEventRecord(s->uploaded[s->current], d->stream));
      s->current = (s->current + 1) % UPLOAD_SLOTS;
      s->used = 0;
      CYF_CUDA_TRY(cudaEventSynchronize(s->uploaded[s->current]));
    }
    const size_t room = SLOT_BYTES - s->used, chunk = bytes - done < room ? bytes - done : room;
    char *slot = s->upload[s->current] + s->used;
    memcpy(slot, (const char *)host + done, chunk);
    CYF_CUDA_TRY(cudaMemcpyAsync((char *)to + done, slot, chunk, cudaMemcpyHostToDevice, d->stream));
    s->used += chunk;
    done += chunk;
  }
  return CYF_OK;
}

/* While one half is copied out by the host, the GPU fills the other. */
cyf_status cyf_cuda_staging_to_host(cyf_cuda_device *d, void *host, const void *from, size_t bytes) {
  cyf_cuda_staging *s = d->staging;
  size_t issued = 0;
  for (size_t done = 0; done < bytes;) {
    while (issued < bytes && issued < done + (size_t)DOWNLOAD_SLOTS * SLOT_BYTES) {
      const int slot = (int)(issued / SLOT_BYTES % DOWNLOAD_SLOTS);
      const size_t chunk = bytes - issued < SLOT_BYTES ? bytes - issued : SLOT_BYTES;
      CYF_CUDA_TRY(
          cudaMemcpyAsync(s->download[slot], (const char *)from + issued, chunk, cudaMemcpyDeviceToHost, d->stream));
      CYF_CUDA_TRY(cudaEventRecord(s->downloaded[slot], d->stream));
      issued += chunk;
    }
    const int slot = (int)(done / SLOT_BYTES % DOWNLOAD_SLOTS);
    const size_t chunk = bytes - done < SLOT_BYTES ? bytes - done : SLOT_BYTES;
    CYF_CUDA_TRY(cudaEventSynchronize(s->downloaded[slot]));
    memcpy((char *)host + done, s->download[slot], chunk);
    done += chunk;
  }
  return CYF_OK;
}

cyf_status cyf_cuda_staging_flush(cyf_cuda_device *d) {
  cyf_cuda_staging *s = d->staging;
  if (d->recording) return CYF_FAIL(CYF_ERR_INTERNAL, "a graph cannot hold a wait");
  CYF_CUDA_TRY(cudaStreamSynchronize(d->stream));
  CYF_CUDA_TRY(cudaStreamSynchronize(d->copies));
  for (int k = 0; k < s->n_pending; ++k) memcpy(s->pending[k].host, s->pending[k].slot, sizeof *s->scalars);
  s->n_pending = 0;
  return CYF_OK;
}

cyf_status cyf_cuda_staging_make_room(cyf_cuda_device *d) {
  return d->staging->n_pending > SCALARS / 2 ? cyf_cuda_staging_flush(d) : CYF_OK;
}

cyf_status cyf_cuda_scalar(cyf_cuda_device *d, void *host_scalar, void **ret_slot) {
  cyf_cuda_staging *s = d->staging;
  *ret_slot = NULL;
  if (!host_scalar) return CYF_OK;
  if (s->n_pending == SCALARS) CYF_TRY(cyf_cuda_staging_flush(d));
  uint64_t *slot = &s->scalars[s->n_pending];
  s->pending[s->n_pending++] = (pending_scalar){host_scalar, slot};
  *ret_slot = slot;
  return CYF_OK;
}
