/* What the files of the kernel share: where things lie in shared memory, and how they are read and written.
 *
 * All of it is described, and done, in Python too: rena_graph/transport/ring.py, ring_reader.py, board.py and
 * rena_graph/streams/buffer.py. The kernel does the ordinary case, and leaves every other one to Python.
 */
#ifndef RENA_GRAPH_CORE_H
#define RENA_GRAPH_CORE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

#if !defined(__linux__) || !defined(__x86_64__)
#error "rings need Linux on x86-64"
#endif

/* Words of a ring's header; transport/geometry.py. */
enum { EPOCH = 8, FLOOR = 9, COMMITTED = 10, CHUNKS = 11, READERS = 24 };
/* Columns of the board; transport/board.py. */
enum { STREAM_PRODUCED = 0, STREAM_CHUNKS = 2, STREAM_BYTES = 3, STREAM_LAST_TIMESTAMP = 7 };
enum { EDGE_POSITION = 0, EDGE_LAST_TIMESTAMP = 13, EDGE_DELIVERED = 15, EDGE_HELD = 14, EDGE_AWAY_NS = 41 };
enum {
    NODE_BEAT_NS = 3, NODE_LOOP_STARTED_NS = 4, NODE_LOOPS = 5, NODE_SKIPPED = 6, NODE_OVERRUNS = 7, NODE_LOOP_NS = 10,
    NODE_LOOP_NS_MAX = 11, NODE_AGE = 13, NODE_FIRST_LOOP_NS = 16, NODE_LAST_LOOP_NS = 17, NODE_OWN_NS = 19, NODE_AHEAD = 42,
};
/* Histograms of a node's row: loop times, lateness, ages, outputs out, their ages; transport/board.py. */
enum { SCALARS = 64, BUCKETS = 128, LOOP_TIMES = 0, LATENESS = 1, AGES = 2, OUTS = 3, OUTPUT_AGES = 4 };

/* One chunk's record; transport/chunk_table.py. */
typedef struct {
    uint64_t first, count;
    double published, origin;
    uint64_t epoch;
} Record;

typedef struct {
    PyObject_HEAD
    Py_buffer words, bell, data, stamps, records, row;
    int attached;
    unsigned long long sequence, floor, chunks, readers;
    long long epoch;
    double limit;
    Py_ssize_t capacity, stamp_capacity, record_count, piece, row_bytes;
} WriterCore;

typedef struct {
    PyObject_HEAD
    Py_buffer words, data, stamps, records, row;
    int attached, latest, blocking;
    unsigned long long position, seen_from;
    long long available;
    Py_ssize_t capacity, stamp_capacity, record_count, row_bytes;
} ReaderCore;

typedef struct {
    PyObject_HEAD
    PyObject *data, *stamps, *undo;
    char *rows, format; /* format: of one value, as struct knows it; 0 where it takes more than a letter */
    char plain;         /* nothing is picked, and nothing leaves for its age */
    double *times;
    Py_ssize_t room, row_bytes, first, end, mark, version, window;
} WindowCore;

/* What ShownWindow knows: a look at a ring's own memory. */
typedef struct {
    PyObject_HEAD
    PyObject *data, *stamps;
    ReaderCore *reader; /* whose memory that is; NULL where Python shows it */
    Py_ssize_t version, window;
    long long end, cleared, fresh;
    /* Views made beforehand: `ready_count` samples from this sequence number on. */
    unsigned long long ready_first;
    Py_ssize_t ready_count;
    PyObject *ready_data, *ready_stamps;
} ViewCore;

/* What InputPort knows. */
typedef struct {
    PyObject_HEAD
    PyObject *name, *buffer, *pair, *data, *stamps, *fresh;
    Py_ssize_t seen;
    char turned; /* channels come first */
    /* Views made beforehand, of these rows of `ready_of`. */
    PyObject *ready_of, *ready_data, *ready_stamps;
    Py_ssize_t ready_first, ready_end;
} PortCore;

/* What Feed knows. */
typedef struct {
    PyObject_HEAD
    ReaderCore *reader; /* NULL where Python takes */
    WindowCore *window; /* this one, or the view */
    ViewCore *view;
    PortCore *port;
    PyObject *taken;
    double newest;
    unsigned long long first_viewed;
    long long newly_viewed;
    char behind, lossless;
} FeedCore;

extern PyTypeObject WriterCoreType, ReaderCoreType, WindowCoreType, ViewCoreType, PortCoreType, FeedCoreType, SleeperType;
extern PyTypeObject TallyType, CommitsType, TurnType, OutletType, IntakeType;

PyObject *core_send(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *core_use_zmq(PyObject *module, PyObject *addresses);
int core_names(void);
int port_names(void);
int feed_names(void);
int turn_names(void);
int turn_out_names(void);

long long reader_look(ReaderCore *self);
void reader_deliver(ReaderCore *self, long long count, double newest);
double reader_origin(ReaderCore *self, uint64_t sequence, double stamp);

int window_fits(WindowCore *self, Py_ssize_t count, Py_ssize_t *first);
Py_ssize_t window_new_count(const WindowCore *self);
void window_mark(WindowCore *self);

/* What was taken: 1 and this where something was, 0 where nothing was there, SLOWLY where Python is to do it. */
typedef struct {
    unsigned long long first;
    double oldest, newest, origin;
} Taken;
enum { SLOWLY = 2 };

int view_take(ViewCore *self, FeedCore *feed, Taken *taken);
int view_ahead(ViewCore *self, long long count);
Py_ssize_t view_new_count(const ViewCore *self);

int port_begin(PortCore *self, PyObject *shown);
int port_make_room(PortCore *self);
int port_prepare(PortCore *self);

int feed_take(FeedCore *self);
int feed_settle(FeedCore *self);
int feed_origin(FeedCore *self, double *origin);
int feed_overtaken(FeedCore *self);

/* Aligned 64-bit accesses are whole on x86-64, and neither stores nor loads pass each other. */
static inline uint64_t load(const void *base, int word)
{
    return __atomic_load_n((const uint64_t *)base + word, __ATOMIC_ACQUIRE);
}

static inline void store(void *base, int word, uint64_t value)
{
    __atomic_store_n((uint64_t *)base + word, value, __ATOMIC_RELEASE);
}

static inline void store_float(void *base, int word, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    store(base, word, bits);
}

static inline void add(void *base, int word, uint64_t amount)
{
    store(base, word, load(base, word) + amount);
}

/* Bytes from which on other threads of the process may run during a copy. */
#define LONG_COPY (1 << 20)

void copy_rows(char *to, Py_ssize_t to_stride, const char *from, Py_ssize_t from_stride, Py_ssize_t row, Py_ssize_t count);
void wake_all(void *word);
double seconds_now(void);
int64_t nanoseconds_now(void);
int sleeper_wait(PyObject *sleeper, double deadline, int on_data);
long send_plain(PyObject *outputs, PyObject *senders, double now, double origin);
void tally_add(
    char *row, double now, int64_t started, int64_t took, int64_t out, double late, double newest, double made_of,
    double longest);

/* Without the interpreter. */
int sleeper_sleep(PyObject *sleeper, double deadline, int on_data);
int writer_put_quietly(WriterCore *self, const char *rows, Py_ssize_t count, const double *stamps, double origin);

#endif
