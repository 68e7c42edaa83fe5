// SPDX-License-Identifier: MPL-2.0

// A fake NVIDIA driver for tests: device memory is host memory, and streams complete everything at once.
// INIT: the result of cuInit. MEMORY: the bytes of device memory. LOST_AFTER: the number of copies after which the device is lost.
// WITHOUT_STREAMS: leave out cuStreamCreate, as a driver that is too old.

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef INIT
#define INIT 0
#endif
#ifndef MEMORY
#define MEMORY (1ul << 40)
#endif
#ifndef LOST_AFTER
#define LOST_AFTER (1 << 30)
#endif

enum { OK = 0, OUT_OF_MEMORY = 2, LOST = 700 };

static long copies;
static size_t used;
static _Thread_local void *current;
static int context;

static int lost(void) { return copies > LOST_AFTER ? LOST : OK; }

static int copy(void *to, const void *from, size_t bytes) {
  copies++;
  if (!lost()) memcpy(to, from, bytes);
  return lost();
}

int cuInit(unsigned flags) { return INIT; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return OK; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { *value = 0; return OK; }
int cuDevicePrimaryCtxRetain(void **made, int device) { *made = &context; return OK; }
int cuDevicePrimaryCtxRelease_v2(int device) { return OK; }
int cuCtxGetCurrent(void **found) { *found = current; return OK; }
int cuCtxSetCurrent(void *wanted) { current = wanted; return OK; }
int cuCtxSynchronize(void) { return lost(); }
#ifndef WITHOUT_STREAMS
int cuStreamCreate(void **stream, unsigned flags) { *stream = malloc(1); return OK; }
#endif
int cuStreamDestroy_v2(void *stream) { free(stream); return OK; }
int cuStreamSynchronize(void *stream) { return lost(); }
int cuStreamWaitEvent(void *stream, void *event, unsigned flags) { return lost(); }
int cuEventCreate(void **event, unsigned flags) { *event = malloc(1); return OK; }
int cuEventDestroy_v2(void *event) { free(event); return OK; }
int cuEventRecord(void *event, void *stream) { return lost(); }
int cuEventSynchronize(void *event) { return lost(); }
int cuEventElapsedTime(float *milliseconds, void *from, void *to) { *milliseconds = 7; return lost(); }

int cuMemAlloc_v2(uint64_t *memory, size_t bytes) {
  if (used + bytes > MEMORY) return OUT_OF_MEMORY;
  used += bytes;
  *memory = (uint64_t)malloc(bytes);
  return OK;
}
int cuMemFree_v2(uint64_t memory) { free((void *)memory); return OK; }
int cuMemHostAlloc(void **memory, size_t bytes, unsigned flags) { *memory = malloc(bytes); return OK; }
int cuMemFreeHost(void *memory) { free(memory); return OK; }
int cuMemsetD8Async(uint64_t to, unsigned char value, size_t count, void *stream) { memset((void *)to, value, count); return lost(); }
int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, void *stream) { return copy((void *)to, from, bytes); }
int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, void *stream) { return copy(to, (void *)from, bytes); }
int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream) { return copy((void *)to, (void *)from, bytes); }

// CUDA_MEMCPY2D
struct side { size_t x, y; int kind; void *host; uint64_t device; void *array; size_t pitch; };
struct copy { struct side from, to; size_t width, height; };

int cuMemcpy2DAsync_v2(const struct copy *it, void *stream) {
  int error = lost();
  for (size_t row = 0; row < it->height && !error; row++)
    error = copy((void *)(it->to.device + row * it->to.pitch), (void *)(it->from.device + row * it->from.pitch), it->width);
  return error;
}

int cuGetErrorString(int error, const char **text) {
  *text = error == OUT_OF_MEMORY ? "out of memory" : error == LOST ? "an illegal memory access was encountered" : "an error";
  return OK;
}
