// SPDX-License-Identifier: MPL-2.0

// Makes the n-th call that changes a file below a folder fail, as a disk does. It is preloaded into the command:
//   FAULT_FOLDER  the folder
//   FAULT_AT      which call fails, from 1
//   FAULT_KIND    enospc, eio, eintr; short: half of the bytes are written; or hang: the call does not return
//   FAULT_SUFFIX  if it is set, only calls with a path that ends so count
//   FAULT_STAYS   if it is set, all calls after it fail as well, as on a full disk
//   FAULT_LOG     a file that gets a line for each call that has failed

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static atomic_long calls;

static int is_below(const char *path) {
    const char *folder = getenv("FAULT_FOLDER"), *suffix = getenv("FAULT_SUFFIX");
    if (!folder || !path || strncmp(path, folder, strlen(folder)) != 0) return 0;
    size_t length = strlen(path), end = suffix ? strlen(suffix) : 0;
    return end <= length && strcmp(path + length - end, suffix ? suffix : "") == 0;
}

static int is_open_below(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

// Returns the number of the error with which this call fails, -1 for a short write, and 0 if it does not fail.
static int fault(const char *name) {
    const char *at = getenv("FAULT_AT"), *kind = getenv("FAULT_KIND"), *log = getenv("FAULT_LOG");
    if (!at || !kind) return 0;
    long number = atomic_fetch_add(&calls, 1) + 1, first = atol(at);
    if (number != first && !(getenv("FAULT_STAYS") && number > first)) return 0;
    int fd = log ? NEXT(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        char line[64];
        int length = snprintf(line, sizeof line, "%ld %s\n", number, name);
        if (NEXT(write)(fd, line, length) < 0) abort();
        close(fd);
    }
    if (!strcmp(kind, "hang")) {
        for (;;) pause();
    }
    if (!strcmp(kind, "enospc")) return ENOSPC;
    if (!strcmp(kind, "eio")) return EIO;
    if (!strcmp(kind, "eintr")) return EINTR;
    return -1;
}

#define FAIL(name, below)                                                                                              \
    do {                                                                                                               \
        int error = (below) ? fault(#name) : 0;                                                                        \
        if (error > 0) {                                                                                               \
            errno = error;                                                                                             \
            return -1;                                                                                                 \
        }                                                                                                              \
    } while (0)

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                                      \
        va_end(rest);                                                                                                  \
        FAIL(name, is_below(path) && (flags & O_ACCMODE) != O_RDONLY);                                                 \
        return NEXT(name)(path, flags, mode);                                                                          \
    }

OPEN(open)
OPEN(open64)

int mkdir(const char *path, mode_t mode) {
    FAIL(mkdir, is_below(path));
    return NEXT(mkdir)(path, mode);
}

int rename(const char *from, const char *to) {
    FAIL(rename, is_below(to));
    return NEXT(rename)(from, to);
}

int unlink(const char *path) {
    FAIL(unlink, is_below(path));
    return NEXT(unlink)(path);
}

int rmdir(const char *path) {
    FAIL(rmdir, is_below(path));
    return NEXT(rmdir)(path);
}

int futimens(int fd, const struct timespec times[2]) {
    FAIL(futimens, is_open_below(fd));
    return NEXT(futimens)(fd, times);
}

int fsync(int fd) {
    FAIL(fsync, is_open_below(fd));
    return NEXT(fsync)(fd);
}

int fdatasync(int fd) {
    FAIL(fdatasync, is_open_below(fd));
    return NEXT(fdatasync)(fd);
}

int ftruncate(int fd, off_t length) {
    FAIL(ftruncate, is_open_below(fd));
    return NEXT(ftruncate)(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    FAIL(ftruncate64, is_open_below(fd));
    return NEXT(ftruncate64)(fd, length);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    int error = is_open_below(fd) ? fault("write") : 0;
    if (error > 0) {
        errno = error;
        return -1;
    }
    return NEXT(write)(fd, bytes, error < 0 ? (count + 1) / 2 : count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    int error = is_open_below(fd) ? fault("writev") : 0;
    if (error > 0) {
        errno = error;
        return -1;
    }
    if (error < 0 && count > 0) return NEXT(write)(fd, parts[0].iov_base, (parts[0].iov_len + 1) / 2);
    return NEXT(writev)(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    int error = is_open_below(fd) ? fault("pwrite64") : 0;
    if (error > 0) {
        errno = error;
        return -1;
    }
    return NEXT(pwrite64)(fd, bytes, error < 0 ? (count + 1) / 2 : count, offset);
}
