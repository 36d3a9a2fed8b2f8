/* Statistics and histograms of float32 arrays in one pass each. Does the same as `summary.py` and `bin_grid.py`, without the
 * temporary buffers that NumPy needs between steps. Called through ctypes, which lets other Python threads run meanwhile.
 *
 * Sums are computed in double, in which squares of floats neither overflow nor underflow. A row has the fields of
 * `summary.FIELDS`.
 */
#define _GNU_SOURCE
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#endif

#ifdef __linux__
#include <sys/mman.h>
#include <sys/resource.h>
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#else
#define MADV_POPULATE_WRITE 0
#define MADV_DONTNEED 0
#endif

#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_ANY_PROCESSOR __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FOR_ANY_PROCESSOR
#endif

#define EXPORT __attribute__((visibility("default")))
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* BLOCK: elements per block; a block and its references fit the L1 cache. TABLES: count tables used side by side. */
enum { BLOCK = 2048, TABLES = 4, BINS = 256 };

/* The maximum number of arrays that values are compared with: the start and the last record. */
enum { MOST_BEFORE = 2 };

enum { COUNT, MINIMUM, MAXIMUM, MEAN, STD, NORM, ZEROS, NANS, POSITIVE_INFS, NEGATIVE_INFS, MOVED, LARGEST, PLACE, NUM_FIELDS };

/* The exponent of a bin grid that is not set yet. */
static const int16_t UNSET = INT16_MIN;

/* If the variance is smaller than the squared mean by this factor, cancellation has removed the digits that are displayed. */
static const double CANCELED = 1e-6;

/* Up to this scale, every float can be scaled without loss. */
static const double WIDEST_NARROW_SCALE = 0x1p100;

typedef struct {
    double total, squares, low, high, largest;
    int64_t place, zeros, nans, positive_infs, negative_infs, moved;
} Sums;

static int reaches_further(const Sums *sums, double value) {
    /* If two elements are equally far from zero, use the positive one. */
    double distance = fabs(value), far = fabs(sums->largest);
    return sums->low > sums->high || distance > far || (distance == far && value > sums->largest);
}

/* Add one number that may be NaN or infinite. */
static void add_any(Sums *sums, double value, int64_t place) {
    if (isnan(value)) sums->nans++;
    else if (isinf(value)) value > 0 ? sums->positive_infs++ : sums->negative_infs++;
    else {
        sums->total += value;
        sums->squares += value * value;
        sums->zeros += value == 0;
        if (reaches_further(sums, value)) sums->largest = value, sums->place = place;
        if (value < sums->low) sums->low = value;
        if (value > sums->high) sums->high = value;
    }
}

/* An element, or its change. The difference of two close floats is exact, and it is zero only if they are equal. */
#define ELEMENT(at) (before ? values[at] - before[at] : values[at])

/* Add a block if all its elements are finite, else add nothing; return whether they are. */
static ALWAYS_INLINE int add_finite(Sums *sums, const float *values, const float *before, int64_t size,
                                    int64_t start) {
    float low = INFINITY, high = -INFINITY;
    double total = 0, squares = 0;
    int32_t zeros = 0;
#pragma omp simd reduction(+ : total, squares, zeros) reduction(min : low) reduction(max : high)
    for (int64_t at = 0; at < size; at++) {
        float value = ELEMENT(at);
        double wide = value;
        low = value < low ? value : low;
        high = value > high ? value : high;
        zeros += value == 0;
        total += wide;
        squares += wide * wide;
    }
    if (!isfinite(squares)) return 0;
    sums->zeros += zeros;
    sums->moved += size - zeros;
    sums->total += total;
    sums->squares += squares;
    float far = -low > high ? low : high;
    if (reaches_further(sums, far)) {  /* search its index only then, because that costs a pass */
        int64_t place = 0;
        while (ELEMENT(place) != far) place++;
        sums->largest = far;
        sums->place = start + place;
    }
    if (low < sums->low) sums->low = low;
    if (high > sums->high) sums->high = high;
    return 1;
}

/* Add a block of values; return whether all its elements are finite. */
FOR_ANY_PROCESSOR static int add_values(Sums *sums, const float *values, int64_t size, int64_t start) {
    if (add_finite(sums, values, 0, size, start)) return 1;
    for (int64_t at = 0; at < size; at++) {
        add_any(sums, values[at], start + at);
        sums->moved += values[at] != 0;
    }
    return 0;
}

FOR_ANY_PROCESSOR static void add_change(Sums *sums, const float *values, const float *before, int64_t size, int64_t start) {
    if (add_finite(sums, values, before, size, start)) return;
    for (int64_t at = 0; at < size; at++) {
        add_any(sums, (double)values[at] - before[at], start + at);
        sums->moved += values[at] != before[at] && !(isnan(values[at]) && isnan(before[at]));
    }
}

/* Return the sum of the squared distances of the finite elements, or changes, from their mean. */
static double squares_around(const float *values, const float *before, int64_t size, double mean) {
    double total = 0;
    for (int64_t at = 0; at < size; at++) {
        double value = before ? (double)values[at] - before[at] : values[at];
        if (isfinite(value)) total += (value - mean) * (value - mean);
    }
    return total;
}

static void write_row(const Sums *sums, const float *values, const float *before, int64_t size, double *row) {
    int64_t finite = size - sums->nans - sums->positive_infs - sums->negative_infs;
    double mean = NAN, std = NAN;
    if (finite && sums->low == sums->high) mean = sums->low, std = 0;
    else if (finite) {
        mean = sums->total / finite;
        double variance = sums->squares / finite - mean * mean;
        if (!(variance > CANCELED * mean * mean)) variance = squares_around(values, before, size, mean) / finite;
        std = sqrt(variance);
    }
    row[COUNT] = size;
    row[MINIMUM] = finite ? sums->low : NAN;
    row[MAXIMUM] = finite ? sums->high : NAN;
    row[MEAN] = mean;
    row[STD] = std;
    row[NORM] = finite ? sqrt(sums->squares) : NAN;
    row[ZEROS] = sums->zeros;
    row[NANS] = sums->nans;
    row[POSITIVE_INFS] = sums->positive_infs;
    row[NEGATIVE_INFS] = sums->negative_infs;
    row[MOVED] = sums->moved;
    row[LARGEST] = finite ? sums->largest : NAN;
    row[PLACE] = finite ? sums->place : NAN;
}

FOR_ANY_PROCESSOR static int are_finite(const float *values, int64_t size) {
    int32_t others = 0;
    for (int64_t at = 0; at < size; at++) others |= !(fabsf(values[at]) <= FLT_MAX);
    return !others;
}

/* Compute the bin numbers of a block of finite elements; in float if that is lossless. */
#define NUMBER_BINS(real)                                             \
    for (int64_t at = 0; at < size; at++) {                           \
        real scaled = values[at] * (real)scale;                       \
        int32_t down = (int32_t)scaled;                               \
        bins[at] = (uint8_t)(down - (down > scaled) - (int32_t)first); \
    }

FOR_ANY_PROCESSOR static void number_bins(const float *values, int64_t size, double scale, int64_t first, uint8_t *bins) {
    if (scale >= 1 && scale <= WIDEST_NARROW_SCALE) NUMBER_BINS(float)
    else NUMBER_BINS(double)
}

/* Counts over bins of width 2^exponent, starting with bin number `first`. With a single table, counting equal consecutive
 * elements would have to wait for the previous increment, so several tables are used. */
typedef struct {
    double scale, begin, end;
    int64_t first;
    uint32_t tables[TABLES][BINS];
} Tally;

static void start_tally(Tally *tally, int16_t exponent, int64_t first) {
    tally->scale = ldexp(1, -exponent);
    tally->begin = ldexp(first, exponent);
    tally->end = ldexp(first + BINS, exponent);
    tally->first = first;
    memset(tally->tables, 0, sizeof tally->tables);
}

/* Return whether the bins contain all finite elements that were added. */
static int holds(const Tally *tally, const Sums *sums) {
    return sums->low > sums->high || (tally->begin <= sums->low && sums->high < tally->end);
}

/* Count the finite elements of a block; the bins must contain all of them. */
static void count_block(Tally *tally, const float *block, int64_t size, int is_finite) {
    float finite[BLOCK];
    uint8_t bins[BLOCK];
    if (!is_finite) {
        int64_t length = 0;
        for (int64_t at = 0; at < size; at++)
            if (isfinite(block[at])) finite[length++] = block[at];
        block = finite, size = length;
    }
    number_bins(block, size, tally->scale, tally->first, bins);
    int64_t at = 0;
    for (; at + TABLES <= size; at += TABLES)
        for (int table = 0; table < TABLES; table++) tally->tables[table][bins[at + table]]++;
    for (; at < size; at++) tally->tables[0][bins[at]]++;
}

static void end_tally(const Tally *tally, uint32_t *counts) {
    for (int bin = 0; bin < BINS; bin++)
        for (int table = 0; table < TABLES; table++) counts[bin] += tally->tables[table][bin];
}

/* Write the rows of one segment, copy it to `copy` if given, and count it as long as the bins contain its elements; return
 * whether they contain all of them. */
static int scan_one(const float *values, int64_t size, const float *const *before, int64_t num_before, float *copy, Tally *tally,
                    double *rows) {
    Sums sums[1 + num_before];
    for (int64_t row = 0; row <= num_before; row++) sums[row] = (Sums){.low = INFINITY, .high = -INFINITY};
    int is_held = tally != 0;
    for (int64_t start = 0; start < size; start += BLOCK) {
        int64_t length = size - start < BLOCK ? size - start : BLOCK;
        int is_finite = add_values(&sums[0], values + start, length, start);
        if ((is_held = is_held && holds(tally, &sums[0]))) count_block(tally, values + start, length, is_finite);
        for (int64_t row = 0; row < num_before; row++)
            add_change(&sums[1 + row], values + start, before[row] + start, length, start);
        if (copy) memcpy(copy + start, values + start, length * sizeof(float));
    }
    for (int64_t row = 0; row <= num_before; row++)
        write_row(&sums[row], values, row ? before[row - 1] : 0, size, rows + row * NUM_FIELDS);
    return is_held;
}

/* The arguments of a scan, in the layout of `native.py`. The caller owns all memory. */
typedef struct {
    const float *values;         /* the concatenated segments */
    const int64_t *sizes;
    int64_t num_segments;
    const float *before[MOST_BEFORE];  /* reference arrays, with the segments in the same layout */
    int64_t num_before;
    float *copy;                 /* filled with the values, unless null */
    double *rows;                /* of shape (segments, 1 + num_before, NUM_FIELDS): for each segment and its differences */
    const int16_t *exponents;    /* exponents of the bin grids, whose bins have the width 2^exponent; UNSET if there is none */
    const int64_t *firsts;       /* numbers of the first bins of the grids */
    uint32_t *counts;            /* of shape (segments, BINS), or null */
    uint8_t *missed;             /* set to 1 for segments not counted: the grid does not contain all finite elements */
    int64_t num_missed;
    int64_t process;             /* the process whose thread is working on it, 0 if none is */
    double seconds;              /* that the thread took for it */
} Scan;

EXPORT void we_scan(Scan *scan) {
    const float *parts[MOST_BEFORE];
    int64_t start = 0, num_rows = 1 + scan->num_before;
    Tally tally;
    scan->num_missed = 0;
    for (int64_t segment = 0; segment < scan->num_segments; segment++) {
        int is_laid = scan->counts && scan->exponents[segment] != UNSET;
        if (is_laid) start_tally(&tally, scan->exponents[segment], scan->firsts[segment]);
        for (int64_t row = 0; row < scan->num_before; row++) parts[row] = scan->before[row] + start;
        int is_held = scan_one(scan->values + start, scan->sizes[segment], parts, scan->num_before,
                               scan->copy ? scan->copy + start : 0, is_laid ? &tally : 0,
                               scan->rows + segment * num_rows * NUM_FIELDS);
        if (is_held) end_tally(&tally, scan->counts + segment * BINS);
        if (scan->counts && !is_held) scan->missed[segment] = 1, scan->num_missed++;
        start += scan->sizes[segment];
    }
}

static void scan_anew(Scan *scan) {
    memset(scan->counts, 0, scan->num_segments * BINS * sizeof *scan->counts);
    memset(scan->missed, 0, scan->num_segments);
    we_scan(scan);
}

#if defined(__unix__) || defined(__APPLE__)
/* One worker thread for all scans: starting a thread for each takes as long as a tenth of a scan. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER, ended = PTHREAD_COND_INITIALIZER;
static Scan *given;
static int is_there;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
}

/* How much the nice value of the thread is raised, of 39. If the training's threads wait for the worker, training loses as much
 * time again as the worker runs. With 19 or SCHED_IDLE the loss is no smaller, but if other processes use all processors, a
 * caller would wait half a second for a thread. */
enum { NICER = 10 };

static void *scan_what_comes(void *nothing) {
#ifdef __linux__
    /* The thread that submits a scan continues: the worker must not preempt it, as a waking thread otherwise does. */
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &(struct sched_param){0});
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICER);  /* on other systems this would affect all threads */
#endif
    pthread_mutex_lock(&lock);
    for (;;) {
        while (!given) pthread_cond_wait(&came, &lock);
        pthread_mutex_unlock(&lock);
        double began = now();
        scan_anew(given);
        given->seconds = now() - began;
        pthread_mutex_lock(&lock);
        given->process = 0;
        given = 0;
        pthread_cond_broadcast(&ended);
    }
    return nothing;
}

/* A forked process does not inherit the thread, so reset its state. */
static void forget_thread(void) {
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    came = ended = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    given = 0;
    is_there = 0;
}

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(0, 0, forget_thread); }

/* Pass a scan to the worker thread if it is idle; return whether it was. */
static int give(Scan *scan) {
    pthread_mutex_lock(&lock);
    pthread_t thread;
    if (!is_there && !pthread_create(&thread, 0, scan_what_comes, 0)) {
        pthread_detach(thread);
        is_there = 1;
    }
    int is_free = is_there && !given;
    if (is_free) {
        scan->process = getpid();
        given = scan;
        pthread_cond_signal(&came);
    }
    pthread_mutex_unlock(&lock);
    return is_free;
}

/* Wait until the thread has finished a scan. A thread of another process never finishes it, so it is done here instead. */
static void await(Scan *scan) {
    pthread_mutex_lock(&lock);
    while (scan->process == getpid()) pthread_cond_wait(&ended, &lock);
    if (scan->process) {
        scan_anew(scan);
        scan->process = 0;
    }
    pthread_mutex_unlock(&lock);
}
#else
static int give(Scan *scan) { (void)scan; return 0; }
static void await(Scan *scan) { (void)scan; }
#endif

/* Start a scan in the worker thread if it is idle, else do it here. The outputs need not be initialized. */
EXPORT void we_begin_scan(Scan *scan) {
    scan->process = 0;
    scan->seconds = 0;
    if (!give(scan)) scan_anew(scan);
}

/* Wait until a scan has finished. May be called from any thread. */
EXPORT void we_end_scan(Scan *scan) { await(scan); }

/* For each of several consecutive segments, add its finite elements to its counts over bins that contain all of them. Segments
 * whose exponent is UNSET are not counted. */
EXPORT void we_tally(const float *values, const int64_t *sizes, int64_t num_segments, const int16_t *exponents,
                     const int64_t *firsts, uint32_t *counts) {
    Tally tally;
    for (int64_t segment = 0; segment < num_segments; segment++) {
        if (exponents[segment] != UNSET) {
            start_tally(&tally, exponents[segment], firsts[segment]);
            for (int64_t start = 0; start < sizes[segment]; start += BLOCK) {
                int64_t length = sizes[segment] - start < BLOCK ? sizes[segment] - start : BLOCK;
                count_block(&tally, values + start, length, are_finite(values + start, length));
            }
            end_tally(&tally, counts + segment * BINS);
        }
        values += sizes[segment];
    }
}

/* Call madvise for the whole pages within a memory range. `page` is the page size of this machine, which is 4, 16 or 64 KiB:
 * madvise rounds a length up to it, which would reach into the memory that follows. If madvise fails, nothing is lost. */
static void advise(void *memory, int64_t num_bytes, int64_t page, int advice) {
#ifdef __linux__
    uintptr_t first = ((uintptr_t)memory + page - 1) / page * page, end = ((uintptr_t)memory + num_bytes) / page * page;
    if (end > first) madvise((void *)first, end - first, advice);
#endif
}

/* Allocate the pages of fresh memory at once. Allocating each page on its first write takes half as long again. The contents of
 * the memory do not change. */
EXPORT void we_populate(void *memory, int64_t num_bytes, int64_t page) {
    advise(memory, num_bytes, page, MADV_POPULATE_WRITE);
}

/* Release the pages to the system. Their contents are lost. */
EXPORT void we_release(void *memory, int64_t num_bytes, int64_t page) { advise(memory, num_bytes, page, MADV_DONTNEED); }
