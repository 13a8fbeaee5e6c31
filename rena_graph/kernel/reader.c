/* Reading: the ordinary way of RingReader's pending and commit, and where its samples lie. */
#include "core.h"

static PyObject *name_pending_slowly, *name_commit_slowly;

static PyObject *reader_attach(ReaderCore *self, PyObject *args)
{
    PyObject *words, *data, *stamps, *records, *row;
    if (!PyArg_ParseTuple(
            args, "OOOOOpp", &words, &data, &stamps, &records, &row, &self->latest, &self->blocking))
        return NULL;
    if (name_pending_slowly == NULL && (name_pending_slowly = PyUnicode_InternFromString("_pending_slowly")) == NULL)
        return NULL;
    if (name_commit_slowly == NULL && (name_commit_slowly = PyUnicode_InternFromString("_commit_slowly")) == NULL)
        return NULL;
    if (self->attached)
        return PyErr_Format(PyExc_ValueError, "attached already");
    struct { PyObject *from; Py_buffer *to; int flags; } all[] = {
        {words, &self->words, PyBUF_SIMPLE}, {data, &self->data, PyBUF_STRIDES | PyBUF_FORMAT},
        {stamps, &self->stamps, PyBUF_SIMPLE}, {records, &self->records, PyBUF_SIMPLE}, {row, &self->row, PyBUF_WRITABLE},
    };
    for (int i = 0; i < 5; i++)
        if (PyObject_GetBuffer(all[i].from, all[i].to, all[i].flags)) {
            while (i--)
                PyBuffer_Release(all[i].to);
            return NULL;
        }
    self->capacity = self->data.shape[0] / 2;
    self->stamp_capacity = self->stamps.len / sizeof(double) / 2;
    self->record_count = self->records.len / sizeof(Record);
    self->row_bytes = self->data.shape[1] * self->data.itemsize;
    self->attached = 1;
    Py_RETURN_NONE;
}

static void reader_dealloc(ReaderCore *self)
{
    if (self->attached) {
        PyBuffer_Release(&self->words);
        PyBuffer_Release(&self->data);
        PyBuffer_Release(&self->stamps);
        PyBuffer_Release(&self->records);
        PyBuffer_Release(&self->row);
    }
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* How many samples there are, or -1 where that is for Python to find out. */
long long reader_look(ReaderCore *self)
{
    if (!self->attached)
        return -1;
    /* In this order: a floor that is looked at later can only be higher. */
    long long available = (long long)(load(self->words.buf, COMMITTED) - self->position);
    if (load(self->words.buf, FLOOR) > self->position || (self->latest && available))
        return -1;
    return self->available = available;
}

static PyObject *pending(ReaderCore *self, PyObject *unused)
{
    long long available = reader_look(self);
    if (available < 0)
        return PyObject_CallMethodObjArgs((PyObject *)self, name_pending_slowly, NULL);
    return PyLong_FromLongLong(available);
}

/* So many samples were taken, the last of them with this timestamp. */
void reader_deliver(ReaderCore *self, long long count, double newest)
{
    char *row = self->row.buf;
    self->available -= count;
    self->position += count;
    add(row, EDGE_DELIVERED, count);
    store(row, EDGE_POSITION, self->position);
    store_float(row, EDGE_LAST_TIMESTAMP, newest);
    if (self->blocking) {
        store(row, EDGE_AWAY_NS, 0);
        wake_all((uint64_t *)row + EDGE_POSITION);
    }
}

static PyObject *commit(ReaderCore *self, PyObject *number)
{
    long long count = PyLong_AsLongLong(number);
    if (count == -1 && PyErr_Occurred())
        return NULL;
    if (self->attached && count > 0 && count <= self->available) {
        double newest = ((const double *)self->stamps.buf)[(self->position + count - 1) % self->stamp_capacity];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (load(self->words.buf, FLOOR) <= self->position) {
            reader_deliver(self, count, newest);
            Py_RETURN_TRUE;
        }
    }
    return PyObject_CallMethodObjArgs((PyObject *)self, name_commit_slowly, number, NULL);
}

/* Timestamp of the oldest sample behind that of this number and stamp, if its chunk is one of the last few; else NaN. */
double reader_origin(ReaderCore *self, uint64_t sequence, double stamp)
{
    uint64_t chunks = load(self->words.buf, CHUNKS);
    for (uint64_t back = 1; back <= 8 && back <= chunks && back < (uint64_t)self->record_count; back++) {
        Record record;
        memcpy(&record, (Record *)self->records.buf + (chunks - back) % self->record_count, sizeof record);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        /* The writer fills the place of chunk k + records before it counts that chunk. */
        if (chunks - back + self->record_count <= load(self->words.buf, CHUNKS))
            break;
        if (record.first <= sequence && sequence < record.first + record.count)
            return record.origin <= stamp ? record.origin : stamp;
        if (record.first < sequence)
            break;
    }
    return Py_NAN;
}

static PyMethodDef reader_methods[] = {
    {"_attach_core", (PyCFunction)reader_attach, METH_VARARGS, "Take the memory to read."},
    {"commit", (PyCFunction)commit, METH_O, "See RingReader.commit."},
    {"pending", (PyCFunction)pending, METH_NOARGS, "See RingReader.pending."},
    {NULL},
};

static PyMemberDef reader_members[] = {
    {"_position", T_ULONGLONG, offsetof(ReaderCore, position), 0, NULL},
    {"_available", T_LONGLONG, offsetof(ReaderCore, available), 0, NULL},
    {"_seen_from", T_ULONGLONG, offsetof(ReaderCore, seen_from), 0, NULL},
    {NULL},
};

PyTypeObject ReaderCoreType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.ReaderCore",
    .tp_basicsize = sizeof(ReaderCore),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "What RingReader does for each chunk.",
    .tp_dealloc = (destructor)reader_dealloc,
    .tp_methods = reader_methods,
    .tp_members = reader_members,
    .tp_new = PyType_GenericNew,
};
