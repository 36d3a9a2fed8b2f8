/* Statistics and histograms of float32 arrays in one pass each: what `summary.py` and `bin_grid.py` do, without the buffers
 * that NumPy needs between two steps. Called through ctypes, which lets other threads of Python run meanwhile.
 *
 * Sums are taken in double, in which squares of float neither overflow nor vanish. A row is that of `statistics.FIELDS`.
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

/* Elements that are added at a time, all of them and their references in the first-level cache; and tables side by side. */
enum { BLOCK = 2048, TABLES = 4, BINS = 256 };

/* Arrays that the values are compared with: the start and the last record. */
enum { MOST_BEFORE = 2 };

enum { COUNT, MINIMUM, MAXIMUM, MEAN, STD, NORM, ZEROS, NANS, POSITIVE_INFS, NEGATIVE_INFS, MOVED, LARGEST, PLACE, NUM_FIELDS };

/* The exponent of a lattice that is not laid yet. */
static const int16_t UNSET = INT16_MIN;

/* Where the variance is this much smaller than the squared mean, their difference has lost the digits that are shown. */
static const double CANCELED = 1e-6;

/* Up to here float is scaled without loss, whatever it holds. */
static const double WIDEST_NARROW_SCALE = 0x1p100;

typedef struct {
    double total, squares, low, high, largest;
    int64_t place, zeros, nans, positive_infs, negative_infs, moved;
} Sums;

static int reaches_further(const Sums *sums, double value) {
    /* Of two that are as far from zero the positive one counts. */
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

/* An element, or its change. The difference of two near floats is exact, and zero only where they are equal. */
#define ELEMENT(at) (before ? values[at] - before[at] : values[at])

/* Add a block whose elements all are finite, else nothing; say whether they are. */
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
    if (reaches_further(sums, far)) {  /* only then it is worth a pass to look for it */
        int64_t place = 0;
        while (ELEMENT(place) != far) place++;
        sums->largest = far;
        sums->place = start + place;
    }
    if (low < sums->low) sums->low = low;
    if (high > sums->high) sums->high = high;
    return 1;
}

/* Say whether all elements of the block are finite. */
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

/* Number the bins of a block, whose elements all are finite; in float where that loses nothing. */
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

/* Counts over bins of a width of two to the exponent, the first of which has the number `first`. Where equal elements follow each
 * other, a table must have counted the one before it counts the next: hence several. */
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

/* Say whether the bins hold all finite elements that were added. */
static int holds(const Tally *tally, const Sums *sums) {
    return sums->low > sums->high || (tally->begin <= sums->low && sums->high < tally->end);
}

/* Count the finite elements of a block, which the bins hold. */
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

/* Write the rows of one segment, copy it where there is room for that, and count it while the tally holds what comes; say whether
 * it held all. */
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

/* What is to be scanned, as `native.py` lays it out; all of it belongs to who calls. */
typedef struct {
    const float *values;         /* the segments behind each other */
    const int64_t *sizes;
    int64_t num_segments;
    const float *before[MOST_BEFORE];  /* in each of these arrays they follow each other in the same way */
    int64_t num_before;
    float *copy;                 /* is filled with the values, where it is there */
    double *rows;                /* of shape (segments, 1 + num_before, NUM_FIELDS): of a segment, and of its differences */
    const int16_t *exponents;    /* of the lattices, bins of a width of two to the exponent, UNSET where there is none, */
    const int64_t *firsts;       /* and the numbers of their first bins */
    uint32_t *counts;            /* of shape (segments, BINS), where they are there */
    uint8_t *missed;             /* becomes 1 where nothing was counted: the lattice does not hold all that is finite */
    int64_t num_missed;
    int64_t process;             /* in which a thread has it, 0 where none does */
    double seconds;              /* that the thread took */
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
/* One thread that scans what it is given: to begin one for each takes as long as a tenth of a scan. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t came = PTHREAD_COND_INITIALIZER, ended = PTHREAD_COND_INITIALIZER;
static Scan *given;
static int is_there;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
}

/* How much nicer than others the thread is, of 39: a training whose threads wait for it loses as much again as it works. With 19
 * or SCHED_IDLE that loses no less, but where others take all processors somebody would wait for a thread for half a second. */
enum { NICER = 10 };

static void *scan_what_comes(void *nothing) {
#ifdef __linux__
    /* Who gives it something goes on: it must not come before that, as a thread that wakes does elsewhere. */
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &(struct sched_param){0});
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + NICER);  /* elsewhere: of all threads */
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

/* In a process that was forked there is no such thread, whatever it was doing. */
static void forget_thread(void) {
    lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
    came = ended = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
    given = 0;
    is_there = 0;
}

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(0, 0, forget_thread); }

/* Give it to the thread, if that has nothing to do; say whether. */
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

/* Wait until the thread has scanned it. That of another process never does: then it is done here. */
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

/* Have it scanned by a thread, where there is one that has nothing to do; what it writes to may hold anything before. */
EXPORT void we_begin_scan(Scan *scan) {
    scan->process = 0;
    scan->seconds = 0;
    if (!give(scan)) scan_anew(scan);
}

/* Wait until all is scanned; by any thread. */
EXPORT void we_end_scan(Scan *scan) { await(scan); }

/* For each of several segments, which tile the array, add its finite elements to its counts over bins that hold them all. What has
 * no exponent is not counted. */
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

/* Advise the system about the whole pages that lie within some memory. `page` is the size of a page of this machine, which is 4, 16
 * or 64 KiB: madvise rounds a length up to it, which would reach into the memory that follows. Where advice fails, nothing is lost. */
static void advise(void *memory, int64_t num_bytes, int64_t page, int advice) {
#ifdef __linux__
    uintptr_t first = ((uintptr_t)memory + page - 1) / page * page, end = ((uintptr_t)memory + num_bytes) / page * page;
    if (end > first) madvise((void *)first, end - first, advice);
#endif
}

/* Have the pages of fresh memory at once: one by one, each when it is first written to, they take half as long again. What the
 * memory holds stays as it is. */
EXPORT void we_populate(void *memory, int64_t num_bytes, int64_t page) {
    advise(memory, num_bytes, page, MADV_POPULATE_WRITE);
}

/* Give the pages back to the system: what they held is lost. */
EXPORT void we_release(void *memory, int64_t num_bytes, int64_t page) { advise(memory, num_bytes, page, MADV_DONTNEED); }
