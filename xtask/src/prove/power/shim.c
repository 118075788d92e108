/*
 * A disk under one process, put between it and the C library by LD_PRELOAD. It is compiled by the proof of
 * power losses and is no part of the product. TIDEGATE_PROOF_DISK says what it does:
 *
 *   nosync       every sync succeeds at once and does nothing (sabotage, on a real file system)
 *   hold         what is written to a file of the log stays in this process until the file is synced, so that
 *                SIGKILL is a power loss. Some sectors of a write go to the file early, as disks do it.
 *   hold-nosync  the same, and the sync does nothing (sabotage)
 *
 * Files of the log are those whose name ends with ".segment" or ".spare". Names, lengths and removals are
 * not held back. Linux with glibc, 64 bit.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define FILES_MAX 65536
/* A write and a sync of a good disk. It makes the time between them long enough for a kill to fall into it. */
#define SYNC_MICROSECONDS 500

struct held {
    struct held *next;
    off_t offset;
    size_t len;
    unsigned char bytes[];
};

struct file {
    dev_t dev;
    ino_t ino;
    int ours;
    struct held *first;
    struct held *last;
};

static struct file files[FILES_MAX];
static size_t files_len;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t chance;
static int hold;
static int nosync;

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static int (*real_open)(const char *, int, ...);
static int (*real_openat)(int, const char *, int, ...);
static int (*real_fdatasync)(int);
static int (*real_fsync)(int);

__attribute__((constructor)) static void begin(void)
{
    const char *mode = getenv("TIDEGATE_PROOF_DISK");
    const char *seed = getenv("TIDEGATE_PROOF_SEED");
    mode = mode ? mode : "";
    hold = strncmp(mode, "hold", 4) == 0;
    nosync = strstr(mode, "nosync") != NULL;
    chance = (seed ? strtoull(seed, NULL, 10) : 0) * 2 + 1;
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_pread = dlsym(RTLD_NEXT, "pread64");
    real_open = dlsym(RTLD_NEXT, "open64");
    real_openat = dlsym(RTLD_NEXT, "openat64");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
}

/* xorshift64 (Marsaglia, "Xorshift RNGs", 2003). */
static int heads(void)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return (chance >> 32) & 1;
}

static int ends_with(const char *text, const char *end)
{
    size_t a = strlen(text), b = strlen(end);
    return a >= b && strcmp(text + a - b, end) == 0;
}

/* With the lock held. */
static struct file *known(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return NULL;
    for (size_t i = files_len; i > 0; i--)
        if (files[i - 1].dev == st.st_dev && files[i - 1].ino == st.st_ino)
            return &files[i - 1];
    return NULL;
}

/* A number of a file may come again for another file, so every open is looked at. */
static void opened(int fd, const char *path)
{
    struct stat st;
    if (fd < 0 || !hold || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    int ours = ends_with(path, ".segment") || ends_with(path, ".spare");
    pthread_mutex_lock(&lock);
    struct file *file = known(fd);
    if (file == NULL && ours) {
        if (files_len == FILES_MAX)
            abort();
        file = &files[files_len++];
        *file = (struct file){.dev = st.st_dev, .ino = st.st_ino};
    }
    if (file != NULL)
        file->ours = ours;
    pthread_mutex_unlock(&lock);
}

static void drop(struct file *file)
{
    while (file->first != NULL) {
        struct held *next = file->first->next;
        free(file->first);
        file->first = next;
    }
    file->last = NULL;
}

static ssize_t hold_back(struct file *file, int fd, const void *bytes, size_t len, off_t offset)
{
    struct held *held = malloc(sizeof *held + len);
    if (held == NULL) {
        errno = ENOMEM;
        return -1;
    }
    *held = (struct held){.offset = offset, .len = len};
    memcpy(held->bytes, bytes, len);
    if (file->last != NULL)
        file->last->next = held;
    else
        file->first = held;
    file->last = held;
    /* Every other write, each of its sectors by chance, cut at the borders of sectors. */
    for (size_t at = 0, tear = (size_t)heads(); tear && at < len;) {
        size_t part = SECTOR - (size_t)((offset + (off_t)at) % SECTOR);
        part = part < len - at ? part : len - at;
        if (heads() && real_pwrite(fd, held->bytes + at, part, offset + (off_t)at) < 0)
            return -1;
        at += part;
    }
    return (ssize_t)len;
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off_t offset)
{
    if (!hold)
        return real_pwrite(fd, bytes, len, offset);
    pthread_mutex_lock(&lock);
    struct file *file = known(fd);
    int ours = file != NULL && file->ours;
    ssize_t written = ours ? hold_back(file, fd, bytes, len, offset) : 0;
    pthread_mutex_unlock(&lock);
    return ours ? written : real_pwrite(fd, bytes, len, offset);
}

ssize_t pread64(int fd, void *bytes, size_t len, off_t offset)
{
    if (!hold)
        return real_pread(fd, bytes, len, offset);
    pthread_mutex_lock(&lock);
    struct file *file = known(fd);
    ssize_t read = real_pread(fd, bytes, len, offset);
    if (read >= 0 && file != NULL && file->ours) {
        for (struct held *held = file->first; held != NULL; held = held->next) {
            off_t from = held->offset > offset ? held->offset : offset;
            off_t end = held->offset + (off_t)held->len;
            off_t to = end < offset + (off_t)len ? end : offset + (off_t)len;
            if (from >= to)
                continue;
            if (from > offset + read)
                memset((char *)bytes + read, 0, (size_t)(from - offset - read));
            memcpy((char *)bytes + (from - offset), held->bytes + (from - held->offset), (size_t)(to - from));
            if (to - offset > read)
                read = to - offset;
        }
    }
    pthread_mutex_unlock(&lock);
    return read;
}

static int flush(int fd, int (*real)(int))
{
    if (nosync)
        return 0;
    if (!hold)
        return real(fd);
    usleep(SYNC_MICROSECONDS);
    int result = 0, ours = 0;
    pthread_mutex_lock(&lock);
    struct file *file = known(fd);
    if (file != NULL && file->ours) {
        ours = 1;
        for (struct held *held = file->first; held != NULL && result == 0; held = held->next)
            for (size_t at = 0; at < held->len && result == 0;) {
                ssize_t n = real_pwrite(fd, held->bytes + at, held->len - at, held->offset + (off_t)at);
                if (n < 0)
                    result = -1;
                else
                    at += (size_t)n;
            }
        drop(file);
    }
    pthread_mutex_unlock(&lock);
    /* Nothing but SIGKILL comes, and the page cache survives that: no need to wait for the real disk. */
    return ours ? result : 0;
}

int fdatasync(int fd) { return flush(fd, real_fdatasync); }

int fsync(int fd) { return flush(fd, real_fsync); }

static mode_t mode_of(int flags, va_list list)
{
    return (flags & (O_CREAT | O_TMPFILE)) ? va_arg(list, mode_t) : 0;
}

int open64(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int fd = real_open(path, flags, mode_of(flags, list));
    va_end(list);
    opened(fd, path);
    return fd;
}

int openat64(int at, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    int fd = real_openat(at, path, flags, mode_of(flags, list));
    va_end(list);
    opened(fd, path);
    return fd;
}

int open(const char *, int, ...) __attribute__((alias("open64")));
int openat(int, const char *, int, ...) __attribute__((alias("openat64")));
ssize_t pwrite(int, const void *, size_t, off_t) __attribute__((alias("pwrite64")));
ssize_t pread(int, void *, size_t, off_t) __attribute__((alias("pread64")));
