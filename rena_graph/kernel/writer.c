/* Publishing: the ordinary way of RingWriter.publish, and of Outputs.collect before it. */
#include "core.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const double TOLERANCE = 0.05, TICK = 1e-6; /* of streams/stamps.py */

static PyObject *name_make_room, *name_fenced, *name_publish_slowly;
static PyObject *name_anchor, *name_since, *name_period, *name_ready, *name_reanchored;

int core_names(void)
{
    return (name_make_room = PyUnicode_InternFromString("_make_room")) && (name_fenced = PyUnicode_InternFromString("_fenced"))
        && (name_publish_slowly = PyUnicode_InternFromString("_publish_slowly"))
        && (name_anchor = PyUnicode_InternFromString("_anchor")) && (name_since = PyUnicode_InternFromString("_since"))
        && (name_period = PyUnicode_InternFromString("_period")) && (name_ready = PyUnicode_InternFromString("_ready"))
        && (name_reanchored = PyUnicode_InternFromString("reanchored")) ? 0 : -1;
}

void copy_rows(char *to, Py_ssize_t to_stride, const char *from, Py_ssize_t from_stride, Py_ssize_t row, Py_ssize_t count)
{
    if (to_stride == row && from_stride == row) {
        memcpy(to, from, row * count);
        return;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        memcpy(to + i * to_stride, from + i * from_stride, row);
}

void wake_all(void *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

int64_t nanoseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

double seconds_now(void)
{
    return (double)nanoseconds_now() / 1e9;
}

/* Timestamps: those given, or counted from an anchor as streams/stamps.py does. */
typedef struct {
    const double *given;
    double anchor, step;
    long long since;
} Stamping;

/* Whether such a chunk goes the ordinary way. */
static int is_plain(WriterCore *self, Py_ssize_t count)
{
    return self->attached && count > 0 && count <= self->piece && load(self->words.buf, EPOCH) == (uint64_t)self->epoch;
}

/* Whether there is room up to `end`, where no reader need be asked for it. */
static int has_room(WriterCore *self, uint64_t end)
{
    if ((long long)(end - self->capacity) <= (long long)self->floor)
        return 1;
    uint64_t floor = end - self->capacity;
    if (load(self->words.buf, READERS) != self->readers || (double)floor > self->limit)
        return 0;
    store(self->words.buf, FLOOR, floor);
    self->floor = floor;
    return 1;
}

static int make_room(WriterCore *self, uint64_t end)
{
    if (has_room(self, end))
        return 0;
    uint64_t floor = end - self->capacity;
    /* Readers came or went, or one is to be waited for. */
    PyObject *number = PyLong_FromUnsignedLongLong(floor), *done = NULL;
    if (number != NULL) {
        done = PyObject_CallMethodObjArgs((PyObject *)self, name_make_room, number, NULL);
        Py_DECREF(number);
    }
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Copy so many rows to where the next samples lie, with their timestamps, which may lie anywhere. */
static void copy_in(WriterCore *self, const char *rows, Py_ssize_t count, const Stamping *stamping)
{
    char *to = (char *)self->data.buf + (self->sequence % self->capacity) * self->data.strides[0];
    double *stamps = (double *)self->stamps.buf + self->sequence % self->stamp_capacity;
    copy_rows(to, self->data.strides[0], rows, self->row_bytes, self->row_bytes, count);
    if (stamping->given != NULL) {
        memcpy(stamps, stamping->given, count * sizeof(double));
        return;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        stamps[i] = (double)(stamping->since + 1 + i) * stamping->step + stamping->anchor;
}

/* Say that what was copied in is there; whether this writer still holds the stream. */
static int make_known(WriterCore *self, Py_ssize_t count, double origin)
{
    char *words = self->words.buf, *row = self->row.buf;
    if (load(words, EPOCH) != (uint64_t)self->epoch)
        return 0;
    uint64_t chunks = self->chunks, first = self->sequence, end = first + count;
    Record *record = (Record *)self->records.buf + chunks % self->record_count;
    Record content = {first, count, seconds_now(), origin, self->epoch - 1};
    *record = content;
    store(words, CHUNKS, self->chunks = chunks + 1);
    /* Before COMMITTED: nobody may find a reader's position ahead of what was produced. */
    store(row, STREAM_PRODUCED, self->sequence = end);
    store(words, COMMITTED, end);
    uint32_t *bell = self->bell.buf;
    __atomic_store_n(bell, *bell + 1, __ATOMIC_RELEASE);
    wake_all(bell);
    /* The rest nobody waits for. */
    store(row, STREAM_CHUNKS, chunks + 1);
    add(row, STREAM_BYTES, (uint64_t)self->row_bytes * count);
    store_float(row, STREAM_LAST_TIMESTAMP, ((double *)self->stamps.buf + first % self->stamp_capacity)[count - 1]);
    return 1;
}

/* Publish samples of which is_plain() is true: 0, or -1 with an exception. */
static int put(WriterCore *self, const char *rows, Py_ssize_t count, const Stamping *stamping, double origin)
{
    if (make_room(self, self->sequence + count))
        return -1;
    if (self->row_bytes * count < LONG_COPY) {
        copy_in(self, rows, count, stamping);
    } else {
        /* A long memcpy writes past the caches, and such stores must not pass that of FLOOR. */
        __builtin_ia32_sfence();
        Py_BEGIN_ALLOW_THREADS
        copy_in(self, rows, count, stamping);
        Py_END_ALLOW_THREADS
    }
    if (make_known(self, count, origin))
        return 0;
    PyObject *error = PyObject_CallMethodObjArgs((PyObject *)self, name_fenced, NULL);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return -1;
}

/* Publish a few samples without the interpreter: whether they were, or it is for Python to see why not. */
int writer_put_quietly(WriterCore *self, const char *rows, Py_ssize_t count, const double *stamps, double origin)
{
    if (!is_plain(self, count) || self->row_bytes * count >= LONG_COPY || !has_room(self, self->sequence + count))
        return 0;
    Stamping given = {stamps, 0.0, 0.0, 0};
    copy_in(self, rows, count, &given);
    return make_known(self, count, origin);
}

/* Whether `array` is samples of exactly this stream; if so its buffer is held. Never leaves an exception. */
static int hold_samples(WriterCore *self, PyObject *array, Py_buffer *view)
{
    if (!PyObject_CheckBuffer(array))
        return 0;
    if (PyObject_GetBuffer(array, view, PyBUF_FORMAT | PyBUF_STRIDES)) {
        PyErr_Clear();
        return 0;
    }
    if (view->ndim == 2 && view->shape[1] == self->data.shape[1] && view->itemsize == self->data.itemsize
        && view->format != NULL && strcmp(view->format, self->data.format) == 0 && PyBuffer_IsContiguous(view, 'C'))
        return 1;
    PyBuffer_Release(view);
    return 0;
}

static PyObject *publish(WriterCore *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Py_buffer data, stamps;
    if (names != NULL || count < 2 || count > 3 || !self->attached || !hold_samples(self, args[0], &data))
        goto slowly;
    double origin = count == 3 ? PyFloat_AsDouble(args[2]) : Py_NAN;
    if ((origin == -1.0 && PyErr_Occurred()) || PyObject_GetBuffer(args[1], &stamps, PyBUF_FORMAT | PyBUF_STRIDES)) {
        PyErr_Clear();
        PyBuffer_Release(&data);
        goto slowly;
    }
    int plain = stamps.ndim == 1 && stamps.shape[0] == data.shape[0] && stamps.format != NULL
        && strcmp(stamps.format, "d") == 0 && PyBuffer_IsContiguous(&stamps, 'C') && is_plain(self, data.shape[0]);
    unsigned long long first = self->sequence;
    int failed = 0;
    if (plain) {
        Stamping given = {stamps.buf, 0.0, 0.0, 0};
        failed = put(self, data.buf, data.shape[0], &given, origin);
    }
    PyBuffer_Release(&stamps);
    PyBuffer_Release(&data);
    if (failed)
        return NULL;
    if (plain)
        return PyLong_FromUnsignedLongLong(first);
slowly: {
        PyObject *method = PyObject_GetAttr((PyObject *)self, name_publish_slowly);
        if (method == NULL)
            return NULL;
        PyObject *result = PyObject_Vectorcall(method, args, count, names);
        Py_DECREF(method);
        return result;
    }
}

static int get_number(PyObject *object, PyObject *name, double *number, long long *whole)
{
    PyObject *value = PyObject_GetAttr(object, name);
    if (value == NULL)
        return -1;
    if (whole != NULL)
        *whole = PyLong_AsLongLong(value);
    else
        *number = value == Py_None ? Py_NAN : PyFloat_AsDouble(value);
    Py_DECREF(value);
    return PyErr_Occurred() ? -1 : 0;
}

static int set_number(PyObject *object, PyObject *name, PyObject *value)
{
    if (value == NULL)
        return -1;
    int failed = PyObject_SetAttr(object, name, value);
    Py_DECREF(value);
    return failed;
}

/* What DefaultStamps.stamp does, but for making the array. */
static int next_stamps(PyObject *stamps, Py_ssize_t count, double now, Stamping *stamping)
{
    double anchor, period;
    long long since, reanchored;
    if (get_number(stamps, name_anchor, &anchor, NULL) || get_number(stamps, name_period, &period, NULL)
        || get_number(stamps, name_since, NULL, &since))
        return -1;
    double step = period != 0.0 ? period : TICK, before = anchor;
    if (isnan(anchor)) {
        anchor = now - (double)count * step;
        since = 0;
    } else if (period != 0.0) {
        if (now - (anchor + (double)(since + count) * step) > TOLERANCE) {
            anchor = now - (double)count * step;
            since = 0;
            if (get_number(stamps, name_reanchored, NULL, &reanchored)
                || set_number(stamps, name_reanchored, PyLong_FromLongLong(reanchored + 1)))
                return -1;
        }
    } else {
        double clock = now - (double)count * step, last = anchor + (double)since * step;
        anchor = last > clock ? last : clock;
        since = 0;
    }
    stamping->given = NULL;
    stamping->anchor = anchor;
    stamping->step = step;
    stamping->since = since;
    if (anchor != before && set_number(stamps, name_anchor, PyFloat_FromDouble(anchor)))
        return -1;
    if (PyObject_SetAttr(stamps, name_ready, Py_None))
        return -1;
    return set_number(stamps, name_since, PyLong_FromLongLong(since + count));
}

/* Publish what is plain of a script's outputs, each of which is None afterwards.
 *
 * `senders` has (name, writer, stamps, either_way) for each output; one whose writer is None is left to Python.
 * Returns 1 where something was sent, plus 2 where something is left that is to be looked at more closely; -1 with an
 * exception.
 */
long send_plain(PyObject *outputs, PyObject *senders, double now, double origin)
{
    long result = PyDict_GET_SIZE(outputs) == PyTuple_GET_SIZE(senders) ? 0 : 2;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(senders); i++) {
        PyObject *sender = PyTuple_GET_ITEM(senders, i);
        PyObject *name = PyTuple_GET_ITEM(sender, 0);
        PyObject *value = PyDict_GetItemWithError(outputs, name);
        if (value == NULL) {
            if (PyErr_Occurred())
                return -1;
            result |= 2;
            continue;
        }
        if (value == Py_None)
            continue;
        WriterCore *writer = (WriterCore *)PyTuple_GET_ITEM(sender, 1);
        Py_buffer view;
        if ((PyObject *)writer == Py_None || !hold_samples(writer, value, &view)) {
            result |= 2;
            continue;
        }
        Stamping stamping;
        int failed = 0;
        Py_ssize_t rows = view.shape[0];
        if (rows == PyLong_AsSsize_t(PyTuple_GET_ITEM(sender, 3)) || !is_plain(writer, rows)) {
            result |= 2;
        } else {
            failed = next_stamps(PyTuple_GET_ITEM(sender, 2), rows, now, &stamping)
                || put(writer, view.buf, rows, &stamping, origin) || PyDict_SetItem(outputs, name, Py_None);
            result |= 1;
        }
        PyBuffer_Release(&view);
        if (failed)
            return -1;
    }
    return result;
}

/* send(outputs, senders, now, origin) */
PyObject *core_send(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    if (count != 4 || !PyDict_Check(args[0]) || !PyTuple_Check(args[1]))
        return PyErr_Format(PyExc_TypeError, "send() takes a dict, a tuple and two numbers");
    double now = PyFloat_AsDouble(args[2]), origin = PyFloat_AsDouble(args[3]);
    if (PyErr_Occurred())
        return NULL;
    long result = send_plain(args[0], args[1], now, origin);
    return result < 0 ? NULL : PyLong_FromLong(result);
}

static PyObject *attach(WriterCore *self, PyObject *args)
{
    PyObject *words, *bell, *data, *stamps, *records, *row;
    Py_ssize_t record_bytes;
    if (!PyArg_ParseTuple(args, "OOOOOOn", &words, &bell, &data, &stamps, &records, &row, &record_bytes))
        return NULL;
    if (self->attached || record_bytes != sizeof(Record))
        return PyErr_Format(PyExc_ValueError, "attached already, or to another version's records");
    struct { PyObject *from; Py_buffer *to; int flags; } all[] = {
        {words, &self->words, PyBUF_WRITABLE}, {bell, &self->bell, PyBUF_WRITABLE},
        {data, &self->data, PyBUF_WRITABLE | PyBUF_STRIDES | PyBUF_FORMAT}, {stamps, &self->stamps, PyBUF_WRITABLE},
        {records, &self->records, PyBUF_WRITABLE}, {row, &self->row, PyBUF_WRITABLE},
    };
    for (int i = 0; i < 6; i++)
        if (PyObject_GetBuffer(all[i].from, all[i].to, all[i].flags)) {
            while (i--)
                PyBuffer_Release(all[i].to);
            return NULL;
        }
    self->capacity = self->data.shape[0] / 2;
    self->stamp_capacity = self->stamps.len / sizeof(double) / 2;
    self->record_count = self->records.len / sizeof(Record);
    self->piece = self->capacity / 2;
    self->row_bytes = self->data.shape[1] * self->data.itemsize;
    self->attached = 1;
    Py_RETURN_NONE;
}

static void dealloc(WriterCore *self)
{
    if (self->attached) {
        Py_buffer *all[] = {&self->words, &self->bell, &self->data, &self->stamps, &self->records, &self->row};
        for (int i = 0; i < 6; i++)
            PyBuffer_Release(all[i]);
    }
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"_attach_core", (PyCFunction)attach, METH_VARARGS, "Take the memory to write to."},
    {"publish", (PyCFunction)(void (*)(void))publish, METH_FASTCALL | METH_KEYWORDS, "See RingWriter.publish."},
    {NULL},
};

static PyMemberDef members[] = {
    {"_sequence", T_ULONGLONG, offsetof(WriterCore, sequence), 0, NULL},
    {"_floor", T_ULONGLONG, offsetof(WriterCore, floor), 0, NULL},
    {"_chunks", T_ULONGLONG, offsetof(WriterCore, chunks), 0, NULL},
    {"_readers", T_ULONGLONG, offsetof(WriterCore, readers), 0, NULL},
    {"_epoch", T_LONGLONG, offsetof(WriterCore, epoch), 0, NULL},
    {"_limit", T_DOUBLE, offsetof(WriterCore, limit), 0, "Floor up to which no reader need be asked."},
    {NULL},
};

PyTypeObject WriterCoreType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.WriterCore",
    .tp_basicsize = sizeof(WriterCore),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "What RingWriter does for each chunk.",
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
    .tp_members = members,
    .tp_new = PyType_GenericNew,
};
