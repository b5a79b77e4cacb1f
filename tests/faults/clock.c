/* A wall clock that jumps on request: a library for LD_PRELOAD.
 *
 * Built by `kouan_tests::ClockFaults` with `cc`. The variable KOUAN_CLOCK_FAULTS names a file of eight bytes: the
 * seconds by which the wall clock is wrong, as a signed number. It is read at every look at the clock, so a change
 * takes effect at once. The clocks that count since boot are right. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

static _Atomic int64_t *offset;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("KOUAN_CLOCK_FAULTS");
    if (!path) return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *map = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (map != MAP_FAILED) offset = map;
}

static int64_t wrong_by(void) { return offset ? atomic_load(offset) : 0; }

EXPORT int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += wrong_by();
    return result;
}

EXPORT int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int result = (int)syscall(SYS_gettimeofday, now, zone);
    if (result == 0) now->tv_sec += wrong_by();
    return result;
}

EXPORT time_t time(time_t *seconds) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
    if (seconds) *seconds = now.tv_sec;
    return now.tv_sec;
}
