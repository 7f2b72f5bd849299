/* SPDX-License-Identifier: MIT */
/* Faults of files, injected. Loaded before a program (LD_PRELOAD), this library stands between it and the C library's
 * calls on files. It lets one of them fail or fall short. From the environment:
 *
 *   CYF_FAULT_CALL     Which call: read, write, open, close, fsync, rename, stat, list (a folder) or lock.
 *                      "all" hits nothing, and counts every one of them.
 *   CYF_FAULT_KIND     How it fails. An errno by name: EIO, ENOSPC, EDQUOT, EINTR, EACCES, EMFILE, ENOMEM,
 *                      ENOLCK, ENOSYS or EOPNOTSUPP.
 *                      "short" moves half of what was asked for. "eof" ends the file, or the list of a folder.
 *                      "run" lets CYF_FAULT_COMMAND, a line for the shell, do its work first, and then the call go on.
 *                      "kill" ends the process, as kill -9 does.
 *   CYF_FAULT_AT       The number of the call that is hit, from 1, among those that match. 0: calls are counted only.
 *   CYF_FAULT_TIMES    Calls in a row that are hit from there on. Default 1; 0 is all.
 *   CYF_FAULT_PATH     A pattern of the shell for the absolute path of the file, in which * stands for slashes too.
 *                      Default: all files, but no pipes, sockets or devices.
 *   CYF_FAULT_RANK     The only rank under mpirun that is hit and counted. Default: all.
 *   CYF_FAULT_COUNTER  A file, made where it is absent, of 64-bit numbers of this machine. The first two tell how many
 *                      calls matched and how many were hit, over all processes that share it. Then come the calls that
 *                      matched by rank (of 8) and call (of 9, in the order above).
 *
 * Whoever runs a program so looks at the second number afterwards: an injection that was never reached shows nothing.
 *
 * A failing close has closed the file; a failing write, rename or fsync has done nothing. Streams (FILE) are hit where
 * they are read, written, flushed or closed as a whole, since the C library's calls inside them cannot be seen. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The C library's own function of the name. */
#define REAL(result, name, ...)                            \
  static result (*real_##name)(__VA_ARGS__) = NULL;        \
  if (!real_##name) {                                      \
    void *found_ = dlsym(RTLD_NEXT, #name);                \
    if (!found_) abort();                                  \
    memcpy((void *)&real_##name, &found_, sizeof(found_)); \
  }

enum { KIND_SHORT = -1, KIND_EOF = -2, KIND_RUN = -3, KIND_KILL = -4 };
enum { N_CALLS = 9, N_RANKS = 8 };

typedef struct counter {
  _Atomic int64_t matched, hit, by[N_RANKS][N_CALLS];
} counter;

static struct {
  bool on, counts_all;
  int rank;
  const char *call, *path;
  int kind; /* an errno, or one of the above */
  int64_t at, times;
  counter *counter, own;
} fault;

static int kind_of(const char *name) {
  static const struct {
    const char *name;
    int number;
  } kinds[] = {{"EIO", EIO},       {"ENOSPC", ENOSPC},         {"EDQUOT", EDQUOT},    {"EINTR", EINTR},
               {"EACCES", EACCES}, {"EMFILE", EMFILE},         {"ENOMEM", ENOMEM},    {"ENOLCK", ENOLCK},
               {"ENOSYS", ENOSYS}, {"EOPNOTSUPP", EOPNOTSUPP}, {"short", KIND_SHORT}, {"eof", KIND_EOF},
               {"run", KIND_RUN},  {"kill", KIND_KILL}};
  for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
    if (strcmp(kinds[i].name, name) == 0) return kinds[i].number;
  fprintf(stderr, "faults: CYF_FAULT_KIND is '%s'\n", name);
  exit(125);
}

static int64_t number(const char *variable, int64_t otherwise) {
  const char *text = getenv(variable);
  return text && *text ? strtoll(text, NULL, 10) : otherwise;
}

static bool is_other_rank(void) {
  const char *wanted = getenv("CYF_FAULT_RANK"), *rank = getenv("OMPI_COMM_WORLD_RANK");
  return wanted && *wanted && strcmp(wanted, rank ? rank : "0") != 0;
}

static counter *map_counter(const char *path) {
  REAL(int, open, const char *, int, ...)
  REAL(int, close, int)
  const int file = real_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  void *memory = MAP_FAILED;
  if (file >= 0 && ftruncate(file, sizeof(counter)) == 0)
    memory = mmap(NULL, sizeof(counter), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file >= 0) real_close(file);
  if (memory != MAP_FAILED) return memory;
  fprintf(stderr, "faults: CYF_FAULT_COUNTER '%s' cannot be used: %s\n", path, strerror(errno));
  exit(125);
}

__attribute__((constructor)) static void begin(void) {
  const char *call = getenv("CYF_FAULT_CALL"), *kind = getenv("CYF_FAULT_KIND"), *path = getenv("CYF_FAULT_COUNTER");
  if (!call || is_other_rank()) return;
  fault.call = call;
  fault.counts_all = strcmp(call, "all") == 0;
  fault.rank = (int)number("OMPI_COMM_WORLD_RANK", 0) % N_RANKS;
  fault.kind = kind_of(kind ? kind : "EIO");
  fault.path = getenv("CYF_FAULT_PATH");
  fault.at = number("CYF_FAULT_AT", 0);
  fault.times = number("CYF_FAULT_TIMES", 1);
  fault.counter = path && *path ? map_counter(path) : &fault.own;
  fault.on = true;
}

static bool path_matches(const char *path) {
  return path[0] == '/' && (strncmp(path, "/dev/", 5) != 0 || strncmp(path, "/dev/shm/", 9) == 0) &&
         strncmp(path, "/proc/", 6) != 0 && (!fault.path || !*fault.path || fnmatch(fault.path, path, 0) == 0);
}

/* Runs CYF_FAULT_COMMAND to its end, without this library. */
static void run_command(void) {
  const char *command = getenv("CYF_FAULT_COMMAND");
  char *arguments[] = {"sh", "-c", (char *)(uintptr_t)(command ? command : "true"), NULL}, *kept[1024];
  size_t n = 0;
  pid_t child = 0;
  for (char **e = environ; *e && n + 1 < sizeof(kept) / sizeof(*kept); e++)
    if (strncmp(*e, "LD_PRELOAD=", 11) != 0 && strncmp(*e, "CYF_FAULT_", 10) != 0) kept[n++] = *e;
  kept[n] = NULL;
  const int error = errno;
  if (posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, kept) == 0) (void)waitpid(child, NULL, 0);
  errno = error;
}

static int number_of_call(const char *call) {
  static const char *const calls[N_CALLS] = {"read",   "write", "open", "close", "fsync",
                                             "rename", "stat",  "list", "lock"};
  int i = 0;
  while (i + 1 < N_CALLS && strcmp(calls[i], call) != 0) i++;
  return i;
}

/* Counts a call on a matching file; true: it is hit. */
static bool strikes(const char *call, const char *path) {
  if (!path_matches(path)) return false;
  const int64_t n = atomic_fetch_add(&fault.counter->matched, 1) + 1;
  atomic_fetch_add(&fault.counter->by[fault.rank][number_of_call(call)], 1);
  if (fault.counts_all || fault.at < 1 || n < fault.at || (fault.times > 0 && n >= fault.at + fault.times))
    return false;
  atomic_fetch_add(&fault.counter->hit, 1);
  if (fault.kind == KIND_KILL) (void)raise(SIGKILL);
  if (fault.kind == KIND_RUN) run_command();
  return fault.kind != KIND_RUN;
}

static bool is_of(const char *call) {
  return fault.on && (fault.counts_all || strcmp(fault.call, call) == 0);
}

static bool strikes_file(const char *call, int file) {
  char link[32], path[PATH_MAX];
  if (!is_of(call)) return false;
  const int error = errno;
  snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
  const ssize_t n = readlink(link, path, sizeof(path) - 1);
  errno = error;
  if (n < 0) return false;
  path[n] = '\0';
  return strikes(call, path);
}

static bool strikes_path(const char *call, int folder, const char *path) {
  char whole[2 * PATH_MAX], link[32];
  if (!is_of(call) || !path) return false;
  if (path[0] == '/') return strikes(call, path);
  const int error = errno;
  ssize_t n = 0;
  if (folder == AT_FDCWD) {
    n = getcwd(whole, PATH_MAX) ? (ssize_t)strlen(whole) : -1;
  } else {
    snprintf(link, sizeof(link), "/proc/self/fd/%d", folder);
    n = readlink(link, whole, PATH_MAX);
  }
  errno = error;
  if (n < 0) return false;
  if (strncmp(path, "./", 2) == 0) path += 2;
  snprintf(whole + n, sizeof(whole) - (size_t)n, "/%s", path);
  return strikes(call, whole);
}

/* -1 with the errno, for calls that cannot fall short: those fail with EIO. */
static int failure(void) {
  errno = fault.kind > 0 ? fault.kind : EIO;
  return -1;
}

/* ---- reading and writing ---- */

/* What a call that was hit does: *ret_result where it ends at once, else *n bytes are moved after all. */
static bool ends_at_once(bool reads, size_t *n, ssize_t *ret_result) {
  if (fault.kind == KIND_SHORT && *n > 1) {
    *n /= 2;
    return false;
  }
  if (fault.kind == KIND_EOF && reads) {
    *ret_result = 0;
    return true;
  }
  if (fault.kind == KIND_SHORT) return false;
  *ret_result = failure();
  return true;
}

#define MOVES(call, reads, name, buffer_type, offset_parameter, offset_argument, offset_type) \
  ssize_t name(int file, buffer_type buffer, size_t n offset_parameter);                      \
  ssize_t name(int file, buffer_type buffer, size_t n offset_parameter) {                     \
    REAL(ssize_t, name, int, buffer_type, size_t offset_type)                                 \
    ssize_t result = 0;                                                                       \
    if (strikes_file(call, file) && ends_at_once(reads, &n, &result)) return result;          \
    return real_##name(file, buffer, n offset_argument);                                      \
  }
#define COMMA ,
MOVES("read", true, read, void *, , , )
MOVES("read", true, pread, void *, COMMA off_t offset, COMMA offset, COMMA off_t)
MOVES("read", true, pread64, void *, COMMA off64_t offset, COMMA offset, COMMA off64_t)
MOVES("write", false, write, const void *, , , )
MOVES("write", false, pwrite, const void *, COMMA off_t offset, COMMA offset, COMMA off_t)
MOVES("write", false, pwrite64, const void *, COMMA off64_t offset, COMMA offset, COMMA off64_t)

/* Of several pieces: short is the first piece alone. */
#define MOVES_PIECES(call, reads, name, offset_parameter, offset_argument, offset_type)        \
  ssize_t name(int file, const struct iovec *pieces, int n_pieces offset_parameter) {          \
    REAL(ssize_t, name, int, const struct iovec *, int offset_type)                            \
    size_t n = n_pieces > 1 ? 2 : 1;                                                           \
    ssize_t result = 0;                                                                        \
    if (!strikes_file(call, file)) return real_##name(file, pieces, n_pieces offset_argument); \
    if (ends_at_once(reads, &n, &result)) return result;                                       \
    return real_##name(file, pieces, 1 offset_argument);                                       \
  }
MOVES_PIECES("read", true, readv, , , )
MOVES_PIECES("read", true, preadv, COMMA off_t offset, COMMA offset, COMMA off_t)
MOVES_PIECES("write", false, writev, , , )
MOVES_PIECES("write", false, pwritev, COMMA off_t offset, COMMA offset, COMMA off_t)

/* ---- opening ---- */

static mode_t mode_of(int flags, va_list arguments) {
  return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(arguments, unsigned) : 0;
}

#define OPENS(name)                                             \
  int name(const char *path, int flags, ...) {                  \
    REAL(int, name, const char *, int, ...)                     \
    va_list arguments;                                          \
    va_start(arguments, flags);                                 \
    const mode_t mode = mode_of(flags, arguments);              \
    va_end(arguments);                                          \
    if (strikes_path("open", AT_FDCWD, path)) return failure(); \
    return real_##name(path, flags, mode);                      \
  }
OPENS(open)
OPENS(open64)

#define OPENS_IN(name)                                        \
  int name(int folder, const char *path, int flags, ...) {    \
    REAL(int, name, int, const char *, int, ...)              \
    va_list arguments;                                        \
    va_start(arguments, flags);                               \
    const mode_t mode = mode_of(flags, arguments);            \
    va_end(arguments);                                        \
    if (strikes_path("open", folder, path)) return failure(); \
    return real_##name(folder, path, flags, mode);            \
  }
OPENS_IN(openat)
OPENS_IN(openat64)

#define OPENS_STREAM(name)                         \
  FILE *name(const char *path, const char *mode) { \
    REAL(FILE *, name, const char *, const char *) \
    if (strikes_path("open", AT_FDCWD, path)) {    \
      (void)failure();                             \
      return NULL;                                 \
    }                                              \
    return real_##name(path, mode);                \
  }
OPENS_STREAM(fopen)
OPENS_STREAM(fopen64)

/* ---- closing, flushing, renaming ---- */

int close(int file) {
  REAL(int, close, int)
  const bool hit = strikes_file("close", file);
  const int closed = real_close(file);
  return hit ? failure() : closed;
}

#define FLUSHES(name)                                                   \
  int name(int file) {                                                  \
    REAL(int, name, int)                                                \
    return strikes_file("fsync", file) ? failure() : real_##name(file); \
  }
FLUSHES(fsync)
FLUSHES(fdatasync)

int rename(const char *from, const char *to) {
  REAL(int, rename, const char *, const char *)
  return strikes_path("rename", AT_FDCWD, to) ? failure() : real_rename(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  REAL(int, renameat, int, const char *, int, const char *)
  return strikes_path("rename", to_folder, to) ? failure() : real_renameat(from_folder, from, to_folder, to);
}

/* ---- locking ---- */

int flock(int file, int operation) {
  REAL(int, flock, int, int)
  return strikes_file("lock", file) ? failure() : real_flock(file, operation);
}

static bool is_lock(int command) {
  return command == F_SETLK || command == F_SETLKW || command == F_GETLK || command == F_OFD_SETLK ||
         command == F_OFD_SETLKW || command == F_OFD_GETLK;
}

/* The third argument is a number or an address, and none at all where the command takes none. */
#define CONTROLS(name)                                                    \
  int name(int file, int command, ...) {                                  \
    REAL(int, name, int, int, ...)                                        \
    va_list arguments;                                                    \
    va_start(arguments, command);                                         \
    void *argument = va_arg(arguments, void *);                           \
    va_end(arguments);                                                    \
    if (is_lock(command) && strikes_file("lock", file)) return failure(); \
    return real_##name(file, command, argument);                          \
  }
CONTROLS(fcntl)
CONTROLS(fcntl64)

/* ---- looking at files and folders ---- */

#define LOOKS(name, type)                                                              \
  int name(const char *path, type *info) {                                             \
    REAL(int, name, const char *, type *)                                              \
    return strikes_path("stat", AT_FDCWD, path) ? failure() : real_##name(path, info); \
  }
LOOKS(stat, struct stat)
LOOKS(lstat, struct stat)
LOOKS(stat64, struct stat64)
LOOKS(lstat64, struct stat64)

int access(const char *path, int mode) {
  REAL(int, access, const char *, int)
  return strikes_path("stat", AT_FDCWD, path) ? failure() : real_access(path, mode);
}

#define LISTS(name, type)                                                 \
  type *name(DIR *folder) {                                               \
    REAL(type *, name, DIR *)                                             \
    if (!strikes_file("list", dirfd(folder))) return real_##name(folder); \
    if (fault.kind > 0) errno = fault.kind;                               \
    return NULL;                                                          \
  }
LISTS(readdir, struct dirent)
LISTS(readdir64, struct dirent64)

/* ---- streams ---- */

/* Sets the stream's error as the C library does. */
static void fail_stream(FILE *stream) {
  stream->_flags |= 0x20;
  (void)failure();
}

size_t fread(void *restrict buffer, size_t size, size_t n, FILE *restrict stream) {
  REAL(size_t, fread, void *, size_t, size_t, FILE *)
  if (!strikes_file("read", fileno(stream))) return real_fread(buffer, size, n, stream);
  if (fault.kind == KIND_SHORT) return real_fread(buffer, size, n > 1 ? n / 2 : n, stream);
  if (fault.kind == KIND_EOF)
    stream->_flags |= 0x10;
  else
    fail_stream(stream);
  return 0;
}

size_t fwrite(const void *restrict buffer, size_t size, size_t n, FILE *restrict stream) {
  REAL(size_t, fwrite, const void *, size_t, size_t, FILE *)
  if (!strikes_file("write", fileno(stream))) return real_fwrite(buffer, size, n, stream);
  fail_stream(stream);
  return 0;
}

int fflush(FILE *stream) {
  REAL(int, fflush, FILE *)
  if (!stream || !strikes_file("write", fileno(stream))) return real_fflush(stream);
  fail_stream(stream);
  return EOF;
}

int fclose(FILE *stream) {
  REAL(int, fclose, FILE *)
  const bool hit = strikes_file("close", fileno(stream));
  const int closed = real_fclose(stream);
  return hit ? failure() : closed;
}
