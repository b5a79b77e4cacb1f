/* A disk that fails on request: a library for LD_PRELOAD that stands between a program and the files of one folder.
 *
 * Built by `kouan_tests::DiskFaults` with `cc`; the variable KOUAN_DISK_FAULTS names the control file, whose layout
 * is `struct control` here and `tests/src/faults/control.rs` there. Without the variable nothing changes.
 *
 * For files under the folder it can refuse writes that need new space (a full disk), refuse all changes (a disk that
 * the kernel made read-only), fail syncs, make syncs slow, and record every change and sync in the order in which
 * they happened. Changes through mmap are not seen; SQLite's `-shm` files are the only ones, and SQLite builds them
 * anew. System calls are made directly, so that nothing here depends on the library that it stands in for. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define CONTROL_MAGIC 0x4b4f5541u
#define ENTRY_MAGIC 0x4b534944u
#define DESCRIPTORS 65536

struct control {
    uint32_t magic;
    _Atomic uint32_t limited;     /* whether `space` counts */
    _Atomic int64_t space;        /* bytes by which files may still grow */
    _Atomic uint32_t read_only;
    _Atomic uint32_t fail_syncs;
    _Atomic uint64_t sync_delay;  /* nanoseconds, before each sync */
    _Atomic uint32_t recording;
    uint32_t reserved;
    _Atomic uint64_t syncs;       /* counts of what happened */
    _Atomic uint64_t failed_syncs;
    _Atomic uint64_t refused;
    _Atomic uint64_t written;
    char folder[PATH_MAX];
    char record[PATH_MAX];
};

/* What an entry of the record says; `data` follows the path. */
enum kind { OPENED = 1, WRITTEN, TRUNCATED, SYNCED, REMOVED, RENAMED, FOLDER_MADE };

struct entry {
    uint32_t magic, kind;
    uint64_t at;     /* CLOCK_MONOTONIC in nanoseconds, when it was done */
    uint64_t inode;
    int64_t a, b;    /* offset; length; when a sync began; whether the file is new */
    uint32_t path_length, data_length;
};

static struct control *control;
static size_t folder_length;
static pthread_mutex_t record_lock = PTHREAD_MUTEX_INITIALIZER;
static int record_file = -1;

enum { UNKNOWN = 0, FOREIGN, OURS, OURS_UNRECORDED, OUR_FOLDER };
static _Atomic unsigned char states[DESCRIPTORS];
static _Atomic uint64_t inodes[DESCRIPTORS];

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("KOUAN_DISK_FAULTS");
    if (!path) return;
    int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (file < 0) return;
    void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (map == MAP_FAILED) return;
    if (((struct control *)map)->magic != CONTROL_MAGIC) {
        munmap(map, sizeof(struct control));
        return;
    }
    control = map;
    folder_length = strnlen(control->folder, PATH_MAX - 1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int is_under(const char *path) {
    return strncmp(path, control->folder, folder_length) == 0 &&
           (path[folder_length] == '/' || path[folder_length] == 0);
}

/* Everything of one entry goes out in one call while the lock is held, so that processes can share a record. */
static void record(enum kind kind, uint64_t inode, int64_t a, int64_t b, const char *path, const void *data,
                   size_t length) {
    if (!atomic_load(&control->recording)) return;
    int kept = errno;
    pthread_mutex_lock(&record_lock);
    if (record_file < 0) {
        int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
        record_file = (int)syscall(SYS_openat, AT_FDCWD, control->record, flags, 0600);
    }
    struct entry entry = {ENTRY_MAGIC, kind, now(), inode, a, b, (uint32_t)(path ? strlen(path) : 0), (uint32_t)length};
    struct iovec parts[3] = {{&entry, sizeof entry}, {(void *)path, entry.path_length}, {(void *)data, length}};
    if (record_file >= 0) (void)!syscall(SYS_writev, record_file, parts, 3);
    pthread_mutex_unlock(&record_lock);
    errno = kept;
}

static int path_of(int descriptor, char path[PATH_MAX]) {
    char link[32] = "/proc/self/fd/";
    char digits[12];
    int count = 0, end = (int)strlen(link);
    do digits[count++] = (char)('0' + descriptor % 10);
    while ((descriptor /= 10) > 0);
    while (count > 0) link[end++] = digits[--count];
    link[end] = 0;
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return path[0] == '/';
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), wanted = strlen(end);
    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

/* What a descriptor is; it is found out at its first use and forgotten when it is closed. */
static int state_of(int descriptor, uint64_t *inode) {
    if (!control || descriptor < 0) return FOREIGN;
    if (descriptor < DESCRIPTORS) {
        int state = atomic_load(&states[descriptor]);
        if (state != UNKNOWN) {
            if (inode) *inode = atomic_load(&inodes[descriptor]);
            return state;
        }
    }
    int kept = errno, state = FOREIGN;
    struct stat status;
    char path[PATH_MAX];
    if (fstat(descriptor, &status) == 0 && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) &&
        path_of(descriptor, path) && is_under(path)) {
        state = S_ISDIR(status.st_mode) ? OUR_FOLDER : ends_with(path, "-shm") ? OURS_UNRECORDED : OURS;
        if (inode) *inode = status.st_ino;
        if (descriptor < DESCRIPTORS) atomic_store(&inodes[descriptor], status.st_ino);
    }
    if (descriptor < DESCRIPTORS) atomic_store(&states[descriptor], (unsigned char)state);
    errno = kept;
    return state;
}

static void forget(int descriptor) {
    if (descriptor >= 0 && descriptor < DESCRIPTORS) atomic_store(&states[descriptor], UNKNOWN);
}

static int refuse(int error) {
    atomic_fetch_add(&control->refused, 1);
    errno = error;
    return -1;
}

/* Whether a file may come to use `growth` bytes more. Other users of the disk take at once what is freed. */
static int has_space(int64_t growth) {
    if (growth <= 0 || !atomic_load(&control->limited)) return 1;
    int64_t space = atomic_load(&control->space);
    do if (space < growth) return 0;
    while (!atomic_compare_exchange_weak(&control->space, &space, space - growth));
    return 1;
}

/* Whether a change of `length` bytes at `offset` is possible. A hole needs space although the file does not grow. */
static int may_write(int descriptor, int64_t offset, int64_t length) {
    if (atomic_load(&control->read_only)) return refuse(EROFS);
    struct stat status;
    if (fstat(descriptor, &status) != 0) return -1;
    int sparse = (int64_t)status.st_blocks * 512 < (int64_t)status.st_size;
    int64_t growth = sparse ? length : offset + length - (int64_t)status.st_size;
    return has_space(growth) ? 0 : refuse(ENOSPC);
}

static char *joined(const struct iovec *parts, int count, size_t length) {
    char *all = malloc(length ? length : 1);
    size_t done = 0;
    for (int part = 0; all && part < count && done < length; part++) {
        size_t size = parts[part].iov_len < length - done ? parts[part].iov_len : length - done;
        memcpy(all + done, parts[part].iov_base, size);
        done += size;
    }
    return all;
}

/* Writes to one of our files; `offset` is negative where the file's own position counts. */
static ssize_t change(int descriptor, int state, uint64_t inode, const struct iovec *parts, int count, off_t offset) {
    int64_t wanted = 0, at = offset;
    for (int part = 0; part < count; part++) wanted += (int64_t)parts[part].iov_len;
    if (offset < 0) {
        struct stat status;
        int appends = (int)syscall(SYS_fcntl, descriptor, F_GETFL) & O_APPEND;
        at = appends && fstat(descriptor, &status) == 0 ? status.st_size : syscall(SYS_lseek, descriptor, 0, SEEK_CUR);
    }
    if (may_write(descriptor, at, wanted) != 0) return -1;
    ssize_t done = offset < 0 ? syscall(SYS_writev, descriptor, parts, count)
                              : syscall(SYS_pwritev, descriptor, parts, count, offset, 0);
    if (done <= 0) return done;
    atomic_fetch_add(&control->written, (uint64_t)done);
    if (state == OURS && atomic_load(&control->recording)) {
        char *all = joined(parts, count, (size_t)done);
        if (all) record(WRITTEN, inode, at, 0, NULL, all, (size_t)done);
        free(all);
    }
    return done;
}

EXPORT ssize_t write(int descriptor, const void *data, size_t length) {
    uint64_t inode = 0;
    int state = state_of(descriptor, &inode);
    if (state != OURS && state != OURS_UNRECORDED) return syscall(SYS_write, descriptor, data, length);
    struct iovec part = {(void *)data, length};
    return change(descriptor, state, inode, &part, 1, -1);
}

EXPORT ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    uint64_t inode = 0;
    int state = state_of(descriptor, &inode);
    if (state != OURS && state != OURS_UNRECORDED) return syscall(SYS_writev, descriptor, parts, count);
    return change(descriptor, state, inode, parts, count, -1);
}

EXPORT ssize_t pwrite64(int descriptor, const void *data, size_t length, off64_t offset) {
    uint64_t inode = 0;
    int state = state_of(descriptor, &inode);
    if (state != OURS && state != OURS_UNRECORDED) return syscall(SYS_pwrite64, descriptor, data, length, offset);
    struct iovec part = {(void *)data, length};
    return change(descriptor, state, inode, &part, 1, offset);
}
EXPORT ssize_t pwrite(int descriptor, const void *data, size_t length, off_t offset) {
    return pwrite64(descriptor, data, length, offset);
}

EXPORT ssize_t pwritev64(int descriptor, const struct iovec *parts, int count, off64_t offset) {
    uint64_t inode = 0;
    int state = state_of(descriptor, &inode);
    if (state != OURS && state != OURS_UNRECORDED) return syscall(SYS_pwritev, descriptor, parts, count, offset, 0);
    return change(descriptor, state, inode, parts, count, offset);
}
EXPORT ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    return pwritev64(descriptor, parts, count, offset);
}

EXPORT int ftruncate64(int descriptor, off64_t length) {
    uint64_t inode = 0;
    int state = state_of(descriptor, &inode);
    if (state == OURS || state == OURS_UNRECORDED) {
        /* Growing makes a hole, which takes no space; writing into it does. */
        if (atomic_load(&control->read_only)) return refuse(EROFS);
    }
    int result = (int)syscall(SYS_ftruncate, descriptor, length);
    if (result == 0 && state == OURS) record(TRUNCATED, inode, length, 0, NULL, NULL, 0);
    return result;
}
EXPORT int ftruncate(int descriptor, off_t length) { return ftruncate64(descriptor, length); }

EXPORT int fallocate64(int descriptor, int mode, off64_t offset, off64_t length) {
    uint64_t inode = 0;
    int state = state_of(descriptor, &inode);
    struct stat before, after;
    if (state == OURS || state == OURS_UNRECORDED) {
        if (may_write(descriptor, offset, length) != 0) return -1;
        if (fstat(descriptor, &before) != 0) return -1;
    }
    int result = (int)syscall(SYS_fallocate, descriptor, mode, offset, length);
    if (result == 0 && state == OURS && fstat(descriptor, &after) == 0 && after.st_size != before.st_size)
        record(TRUNCATED, inode, after.st_size, 0, NULL, NULL, 0);
    return result;
}
EXPORT int fallocate(int descriptor, int mode, off_t offset, off_t length) {
    return fallocate64(descriptor, mode, offset, length);
}
EXPORT int posix_fallocate64(int descriptor, off64_t offset, off64_t length) {
    int kept = errno;
    int error = fallocate64(descriptor, 0, offset, length) == 0 ? 0 : errno;
    errno = kept;
    return error;
}
EXPORT int posix_fallocate(int descriptor, off_t offset, off_t length) {
    return posix_fallocate64(descriptor, offset, length);
}

static int sync_with(long call, int descriptor) {
    uint64_t inode = 0, began = 0;
    int state = state_of(descriptor, &inode);
    if (state == FOREIGN) return (int)syscall(call, descriptor);
    uint64_t delay = atomic_load(&control->sync_delay);
    if (delay > 0) {
        struct timespec left = {(time_t)(delay / 1000000000u), (long)(delay % 1000000000u)};
        while (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &left, &left) != 0 && errno == EINTR) continue;
    }
    if (atomic_load(&control->fail_syncs)) {
        atomic_fetch_add(&control->failed_syncs, 1);
        errno = EIO;
        return -1;
    }
    if (atomic_load(&control->read_only)) return refuse(EROFS);
    began = now();
    int result = (int)syscall(call, descriptor);
    if (result != 0) return result;
    atomic_fetch_add(&control->syncs, 1);
    char path[PATH_MAX] = "";
    if (state == OUR_FOLDER && atomic_load(&control->recording)) (void)path_of(descriptor, path);
    if (state != OURS_UNRECORDED) record(SYNCED, inode, (int64_t)began, state == OUR_FOLDER, path, NULL, 0);
    return 0;
}
EXPORT int fsync(int descriptor) { return sync_with(SYS_fsync, descriptor); }
EXPORT int fdatasync(int descriptor) { return sync_with(SYS_fdatasync, descriptor); }

/* The absolute form of a path; false where it is not ours. */
static int our_path(int folder, const char *path, char whole[PATH_MAX]) {
    if (!control || !path) return 0;
    if (path[0] == '/') {
        if (strlen(path) >= PATH_MAX) return 0;
        strcpy(whole, path);
        return is_under(whole);
    }
    int kept = errno, known;
    if (folder == AT_FDCWD) {
        long length = syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", whole, PATH_MAX - 1);
        known = length > 0;
        if (known) whole[length] = 0;
    } else {
        known = path_of(folder, whole);
    }
    errno = kept;
    if (!known || strlen(whole) + strlen(path) + 2 > PATH_MAX) return 0;
    strcat(whole, "/");
    strcat(whole, path);
    return is_under(whole);
}

static int open_any(int folder, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    int ours = our_path(folder, path, whole), is_new = 0;
    if (ours) {
        is_new = (flags & O_CREAT) && syscall(SYS_faccessat, folder, path, F_OK) != 0;
        int changes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) || is_new;
        if (changes && atomic_load(&control->read_only)) return refuse(EROFS);
        errno = 0;
    }
    int descriptor = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (descriptor < 0) return descriptor;
    forget(descriptor);
    if (ours && atomic_load(&control->recording)) {
        uint64_t inode = 0;
        char real[PATH_MAX];
        if (state_of(descriptor, &inode) == OURS && path_of(descriptor, real)) {
            record(OPENED, inode, is_new, 0, real, NULL, 0);
            if ((flags & O_TRUNC) && !is_new) record(TRUNCATED, inode, 0, 0, NULL, NULL, 0);
        }
    }
    return descriptor;
}

#define MODE_OF(flags, last)                                                                                           \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list more;                                                                                                  \
        va_start(more, last);                                                                                          \
        mode = (mode_t)va_arg(more, int);                                                                              \
        va_end(more);                                                                                                  \
    }

EXPORT int open(const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_any(AT_FDCWD, path, flags, mode);
}
EXPORT int open64(const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_any(AT_FDCWD, path, flags, mode);
}
EXPORT int openat(int folder, const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_any(folder, path, flags, mode);
}
EXPORT int openat64(int folder, const char *path, int flags, ...) {
    MODE_OF(flags, flags)
    return open_any(folder, path, flags, mode);
}
EXPORT int creat(const char *path, mode_t mode) {
    return open_any(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}
EXPORT int creat64(const char *path, mode_t mode) { return creat(path, mode); }
/* What programs call that were built with fortified headers. */
EXPORT int __open_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
EXPORT int __open64_2(const char *path, int flags) { return open_any(AT_FDCWD, path, flags, 0); }
EXPORT int __openat_2(int folder, const char *path, int flags) { return open_any(folder, path, flags, 0); }
EXPORT int __openat64_2(int folder, const char *path, int flags) { return open_any(folder, path, flags, 0); }

EXPORT int close(int descriptor) {
    forget(descriptor);
    return (int)syscall(SYS_close, descriptor);
}
EXPORT int dup2(int from, int to) {
    if (from != to) forget(to);
    return from == to ? (int)syscall(SYS_fcntl, from, F_GETFD) < 0 ? -1 : to : (int)syscall(SYS_dup3, from, to, 0);
}
EXPORT int dup3(int from, int to, int flags) {
    forget(to);
    return (int)syscall(SYS_dup3, from, to, flags);
}

EXPORT int unlinkat(int folder, const char *path, int flags) {
    char whole[PATH_MAX];
    int ours = our_path(folder, path, whole);
    if (ours && atomic_load(&control->read_only)) return refuse(EROFS);
    int result = (int)syscall(SYS_unlinkat, folder, path, flags);
    if (ours && result == 0) record(REMOVED, 0, 0, 0, whole, NULL, 0);
    return result;
}
EXPORT int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
EXPORT int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

EXPORT int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    char whole_from[PATH_MAX], whole_to[PATH_MAX];
    int ours = our_path(from_folder, from, whole_from) | our_path(to_folder, to, whole_to);
    if (ours && atomic_load(&control->read_only)) return refuse(EROFS);
    int result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    if (ours && result == 0) record(RENAMED, 0, 0, 0, whole_from, whole_to, strlen(whole_to));
    return result;
}
EXPORT int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    return renameat2(from_folder, from, to_folder, to, 0);
}
EXPORT int rename(const char *from, const char *to) { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

EXPORT int mkdirat(int folder, const char *path, mode_t mode) {
    char whole[PATH_MAX];
    int ours = our_path(folder, path, whole);
    if (ours && atomic_load(&control->read_only)) return refuse(EROFS);
    int result = (int)syscall(SYS_mkdirat, folder, path, mode);
    if (ours && result == 0) record(FOLDER_MADE, 0, 0, 0, whole, NULL, 0);
    return result;
}
EXPORT int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

/* A copy inside the kernel would pass us by; the caller then copies with plain writes. */
EXPORT ssize_t copy_file_range(int from, off64_t *from_offset, int to, off64_t *to_offset, size_t length,
                               unsigned flags) {
    if (state_of(to, NULL) == FOREIGN)
        return syscall(SYS_copy_file_range, from, from_offset, to, to_offset, length, flags);
    errno = EXDEV;
    return -1;
}
EXPORT ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) {
    if (state_of(to, NULL) == FOREIGN) return syscall(SYS_sendfile, to, from, offset, length);
    errno = EINVAL;
    return -1;
}
EXPORT ssize_t sendfile(int to, int from, off_t *offset, size_t length) { return sendfile64(to, from, offset, length); }
