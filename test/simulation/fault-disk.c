// What a process does to the files below one directory, written down as it happens, so that
// power-loss.ts can tell which of it a loss of power would have left. Loaded with LD_PRELOAD:
//
//   MOORING_DISK_ROOT  the directory, absolute
//   MOORING_DISK_LOG   the file that records are appended to
//   MOORING_DISK_FAILS the flush of contents that fails, counted from 1; 0 for none
//   MOORING_BOOT_ID    the file that stands for /proc/sys/kernel/random/boot_id
//
// A record is a header of five 64-bit numbers (kind, descriptor, offset, length of the payload,
// flags) and the payload: paths with their final zero, or the number of bytes written and the bytes
// (none where all are zero). One mutex keeps the records in the order of what they tell; a flush
// has two, since it covers what was written before it began, with its thread for the offset.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { OPEN = 1, CLOSE, WRITE, TRUNCATE, FLUSH_BEGINS, FLUSHED, UNLINK, RENAME, MKDIR,
            FLUSH_FAILED };
enum flag { CREATED = 1, EMPTIED = 2, EACH_WRITE_FLUSHED = 4, ZEROS = 8 };
enum { DESCRIPTORS = 65536 };

static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static char root[4096];
static size_t root_length;
static int log_descriptor = -1;
static uint8_t watched[DESCRIPTORS], flushes_each_write[DESCRIPTORS], is_contents[DESCRIPTORS];
static long failing_flush, flushes;
static struct stat watched_file[DESCRIPTORS];

static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_close)(int);
static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pwritev)(int, const struct iovec *, int, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_writev)(int, const struct iovec *, int);
static int (*real_ftruncate)(int, off_t);
static int (*real_fsync)(int), (*real_fdatasync)(int);
static int (*real_unlink)(const char *), (*real_rename)(const char *, const char *);
static int (*real_mkdir)(const char *, mode_t);

static void find(void *real, const char *name) {
  *(void **)real = dlsym(RTLD_NEXT, name);
  if (!*(void **)real) abort();
}

__attribute__((constructor)) static void begin(void) {
  find(&real_open, "open64"), find(&real_openat, "openat64"), find(&real_close, "close");
  find(&real_pwrite, "pwrite64"), find(&real_pwritev, "pwritev64");
  find(&real_write, "write"), find(&real_writev, "writev");
  find(&real_ftruncate, "ftruncate64"), find(&real_fsync, "fsync");
  find(&real_fdatasync, "fdatasync"), find(&real_unlink, "unlink");
  find(&real_rename, "rename"), find(&real_mkdir, "mkdir");
  const char *directory = getenv("MOORING_DISK_ROOT"), *log = getenv("MOORING_DISK_LOG");
  if (!directory || !log) return;
  if (getenv("MOORING_DISK_FAILS")) failing_flush = atol(getenv("MOORING_DISK_FAILS"));
  root_length = strlen(strncpy(root, directory, sizeof root - 1));
  log_descriptor = real_open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_descriptor < 0) abort();
}

static int is_below(const char *path) {
  return log_descriptor >= 0 && !strncmp(path, root, root_length) && path[root_length] == '/';
}

// Node closes descriptors past us: what has the number now may be something else.
static int is_watched(int descriptor) {
  if (descriptor < 0 || descriptor >= DESCRIPTORS || !watched[descriptor]) return 0;
  struct stat now, *then = &watched_file[descriptor];
  return !fstat(descriptor, &now) && now.st_dev == then->st_dev && now.st_ino == then->st_ino;
}

static void tell(enum kind kind, int descriptor, off_t offset, int flags,
                 const struct iovec *payload, int parts) {
  uint64_t header[5] = {kind, descriptor, offset, 0, flags};
  struct iovec all[parts + 1];
  all[0] = (struct iovec){header, sizeof header};
  for (int i = 0; i < parts; i++) all[i + 1] = payload[i], header[3] += payload[i].iov_len;
  ssize_t length = sizeof header + header[3];
  if (real_writev(log_descriptor, all, parts + 1) != length) abort();
}

static void tell_paths(enum kind kind, int descriptor, int flags, const char *a, const char *b) {
  struct iovec paths[2] = {{(void *)a, strlen(a) + 1}, {(void *)b, b ? strlen(b) + 1 : 0}};
  tell(kind, descriptor, 0, flags, paths, b ? 2 : 1);
}

// Of a write that took `done` bytes of what it was given.
static void tell_written(int descriptor, const struct iovec *parts, int count, off_t offset,
                         ssize_t done) {
  char *bytes = malloc(done ? done : 1);
  ssize_t at = 0;
  for (int i = 0; i < count && at < done; i++) {
    size_t length = parts[i].iov_len;
    if (at + (ssize_t)length > done) length = done - at;
    memcpy(bytes + at, parts[i].iov_base, length);
    at += length;
  }
  int zeros = done > 0 && !bytes[0] && !memcmp(bytes, bytes + 1, done - 1);
  int flags = (zeros ? ZEROS : 0) | (flushes_each_write[descriptor] ? EACH_WRITE_FLUSHED : 0);
  uint64_t length = done;
  struct iovec payload[2] = {{&length, sizeof length}, {bytes, zeros ? 0 : done}};
  tell(WRITE, descriptor, offset, flags, payload, 2);
  free(bytes);
}

static int opened(int at, const char *path, int flags, mode_t mode) {
  const char *boot = getenv("MOORING_BOOT_ID");
  if (boot && !strcmp(path, "/proc/sys/kernel/random/boot_id")) path = boot, flags = O_RDONLY;
  if (!is_below(path)) return real_openat(at, path, flags, mode);
  pthread_mutex_lock(&order);
  struct stat there;
  int created = (flags & O_CREAT) && stat(path, &there);
  int descriptor = real_openat(at, path, flags, mode);
  if (descriptor >= DESCRIPTORS) abort();
  if (descriptor >= 0) {
    watched[descriptor] = !fstat(descriptor, &watched_file[descriptor]);
    is_contents[descriptor] = strstr(path, "/contents/") != NULL;
    flushes_each_write[descriptor] = (flags & O_DSYNC) != 0;
    int told = (created ? CREATED : 0) | ((flags & O_TRUNC) ? EMPTIED : 0);
    tell_paths(OPEN, descriptor, told, path, NULL);
  }
  pthread_mutex_unlock(&order);
  return descriptor;
}

static mode_t mode_of(int flags, va_list arguments) {
  return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPENS(name)                                                                              \
  int name(const char *path, int flags, ...) {                                                   \
    va_list arguments;                                                                           \
    va_start(arguments, flags);                                                                  \
    mode_t mode = mode_of(flags, arguments);                                                     \
    va_end(arguments);                                                                           \
    return opened(AT_FDCWD, path, flags, mode);                                                  \
  }
#define OPENS_AT(name)                                                                           \
  int name(int at, const char *path, int flags, ...) {                                           \
    va_list arguments;                                                                           \
    va_start(arguments, flags);                                                                  \
    mode_t mode = mode_of(flags, arguments);                                                     \
    va_end(arguments);                                                                           \
    return opened(at, path, flags, mode);                                                        \
  }
OPENS(open) OPENS(open64) OPENS_AT(openat) OPENS_AT(openat64)

int close(int descriptor) {
  if (!is_watched(descriptor)) return real_close(descriptor);
  pthread_mutex_lock(&order);
  watched[descriptor] = 0;
  tell(CLOSE, descriptor, 0, 0, NULL, 0);
  int result = real_close(descriptor);
  pthread_mutex_unlock(&order);
  return result;
}

// Writes are done one at a time, so that what is written down is in their order.
#define WRITES(parts, count, offset, call)                                                       \
  if (!is_watched(descriptor)) return call;                                                      \
  pthread_mutex_lock(&order);                                                                    \
  off_t from = offset;                                                                           \
  ssize_t done = call;                                                                           \
  if (done >= 0) tell_written(descriptor, parts, count, from, done);                             \
  pthread_mutex_unlock(&order);                                                                  \
  return done;

#define PWRITES(name)                                                                            \
  ssize_t name(int descriptor, const void *bytes, size_t length, off_t offset) {                 \
    struct iovec part = {(void *)bytes, length};                                                 \
    WRITES(&part, 1, offset, real_pwrite(descriptor, bytes, length, offset))                     \
  }
PWRITES(pwrite) PWRITES(pwrite64)

#define PWRITEVS(name)                                                                           \
  ssize_t name(int descriptor, const struct iovec *parts, int count, off_t offset) {             \
    WRITES(parts, count, offset, real_pwritev(descriptor, parts, count, offset))                 \
  }
PWRITEVS(pwritev) PWRITEVS(pwritev64)

ssize_t write(int descriptor, const void *bytes, size_t length) {
  struct iovec part = {(void *)bytes, length};
  WRITES(&part, 1, lseek(descriptor, 0, SEEK_CUR), real_write(descriptor, bytes, length))
}

ssize_t writev(int descriptor, const struct iovec *parts, int count) {
  WRITES(parts, count, lseek(descriptor, 0, SEEK_CUR), real_writev(descriptor, parts, count))
}

#define TRUNCATES(name)                                                                          \
  int name(int descriptor, off_t length) {                                                       \
    if (!is_watched(descriptor)) return real_ftruncate(descriptor, length);                      \
    pthread_mutex_lock(&order);                                                                  \
    int result = real_ftruncate(descriptor, length);                                             \
    if (!result) tell(TRUNCATE, descriptor, length, 0, NULL, 0);                                 \
    pthread_mutex_unlock(&order);                                                                \
    return result;                                                                               \
  }
TRUNCATES(ftruncate) TRUNCATES(ftruncate64)

static void tell_flush(enum kind kind, int descriptor) {
  pthread_mutex_lock(&order);
  tell(kind, descriptor, gettid(), 0, NULL, 0);
  pthread_mutex_unlock(&order);
}

// What a failed flush should have written is lost, and the system says so only once.
static int fails(int descriptor) {
  if (!is_contents[descriptor]) return 0;
  return __sync_add_and_fetch(&flushes, 1) == failing_flush;
}

#define FLUSHES(name)                                                                            \
  int name(int descriptor) {                                                                     \
    if (!is_watched(descriptor)) return real_##name(descriptor);                                 \
    tell_flush(FLUSH_BEGINS, descriptor);                                                        \
    if (fails(descriptor)) {                                                                     \
      tell_flush(FLUSH_FAILED, descriptor);                                                      \
      errno = EIO;                                                                               \
      return -1;                                                                                 \
    }                                                                                            \
    int result = real_##name(descriptor);                                                        \
    if (!result) tell_flush(FLUSHED, descriptor);                                                \
    return result;                                                                               \
  }
FLUSHES(fsync) FLUSHES(fdatasync)

// A change of names: told where it was done.
#define NAMES(call, kind, from, to)                                                              \
  pthread_mutex_lock(&order);                                                                    \
  int result = call;                                                                             \
  if (!result) tell_paths(kind, 0, 0, from, to);                                                 \
  pthread_mutex_unlock(&order);                                                                  \
  return result;

int unlink(const char *path) {
  if (!is_below(path)) return real_unlink(path);
  NAMES(real_unlink(path), UNLINK, path, NULL)
}

int rename(const char *from, const char *to) {
  if (!is_below(from)) return real_rename(from, to);
  NAMES(real_rename(from, to), RENAME, from, to)
}

int mkdir(const char *path, mode_t mode) {
  if (!is_below(path)) return real_mkdir(path, mode);
  NAMES(real_mkdir(path, mode), MKDIR, path, NULL)
}
