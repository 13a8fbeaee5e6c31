/* Links between hosts: a small chunk from the ring into a message, without the interpreter. */
#include "link.h"

#include <errno.h>

typedef struct {
    PyObject_HEAD
    ReaderCore *reader;
    PyObject *sleeper;
    void *socket;
    Mark mark;
    long long most;
} Outlet;

/* Outlet(reader, sleeper, socket, lead, identity, most): `most` samples go in a message. */
static int outlet_init(Outlet *self, PyObject *args, PyObject *names)
{
    PyObject *reader, *sleeper;
    unsigned long long socket;
    Py_buffer lead, identity;
    if (self->reader != NULL) {
        PyErr_SetString(PyExc_ValueError, "made already");
        return -1;
    }
    if (!PyArg_ParseTuple(args, "O!O!Ky*y*L", &ReaderCoreType, &reader, &SleeperType, &sleeper, &socket, &lead, &identity,
                          &self->most))
        return -1;
    int failed = mark_init(&self->mark, &lead, &identity);
    PyBuffer_Release(&lead);
    PyBuffer_Release(&identity);
    if (failed)
        return -1;
    if (!((ReaderCore *)reader)->attached) {
        PyErr_SetString(PyExc_ValueError, "the reader has no ring");
        return -1;
    }
    self->socket = (void *)(uintptr_t)socket;
    Py_INCREF(reader);
    Py_INCREF(sleeper);
    self->reader = (ReaderCore *)reader;
    self->sleeper = sleeper;
    return 0;
}

/* The next samples to send, which lie at `at` in the ring. */
typedef struct {
    unsigned long long generation, at, first;
    long long allowed;
} Next;

/* The record of the chunk with this sample, if it is one of the last few. */
static int find_chunk(ReaderCore *ring, uint64_t sequence, Record *record)
{
    uint64_t chunks = load(ring->words.buf, CHUNKS);
    for (uint64_t back = 1; back <= 8 && back <= chunks && back < (uint64_t)ring->record_count; back++) {
        memcpy(record, (Record *)ring->records.buf + (chunks - back) % ring->record_count, sizeof *record);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        /* The writer fills the place of chunk k + records before it counts that chunk. */
        if (chunks - back + ring->record_count <= load(ring->words.buf, CHUNKS) || record->first + record->count <= sequence)
            return 0;
        if (record->first <= sequence)
            return 1;
    }
    return 0;
}

/* How many samples were sent; 0: there are none, -1: it is for Python to see to them. */
static long long send_next(Outlet *self, const Next *next)
{
    ReaderCore *ring = self->reader;
    long long count = (long long)(load(ring->words.buf, COMMITTED) - next->at);
    if (count <= 0 || next->allowed <= 0)
        return 0;
    Record record;
    if (load(ring->words.buf, FLOOR) > next->at || !find_chunk(ring, next->at, &record))
        return -1;
    if (count > next->allowed)
        count = next->allowed;
    long long left = record.first + record.count - next->at;
    /* Chunk by chunk, so that each keeps its origin; where many wait Python sends several in one. */
    if (left < count && count < 8 * left)
        count = left;
    if (count > self->most || left < count)
        return -1;
    size_t ahead = sizeof(Header) + self->mark.length, stamps = count * sizeof(double);
    Message message;
    if (zmq.init_size(&message, ahead + stamps + count * ring->row_bytes))
        return -1;
    char *to = zmq.data(&message);
    Header header = {.generation = next->generation, .first = next->first, .count = count, .origin = record.origin};
    memcpy(header.lead, self->mark.lead, sizeof header.lead);
    memcpy(to, &header, sizeof header);
    memcpy(to + sizeof header, self->mark.identity, self->mark.length);
    memcpy(to + ahead, (const double *)ring->stamps.buf + next->at % ring->stamp_capacity, stamps);
    copy_rows(to + ahead + stamps, ring->row_bytes,
              (const char *)ring->data.buf + (next->at % ring->capacity) * ring->data.strides[0], ring->data.strides[0],
              ring->row_bytes, count);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (load(ring->words.buf, FLOOR) > next->at || zmq.send(&message, self->socket, DONT_WAIT) < 0) {
        zmq.close(&message);
        return -1;
    }
    return count;
}

static PyObject *outlet_send(Outlet *self, PyObject *args)
{
    Next next;
    long long sent;
    if (self->reader == NULL || !PyArg_ParseTuple(args, "KKKL", &next.generation, &next.at, &next.first, &next.allowed))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "not made");
    Py_BEGIN_ALLOW_THREADS
    sent = send_next(self, &next);
    Py_END_ALLOW_THREADS
    return PyLong_FromLongLong(sent);
}

static PyObject *outlet_wait_and_send(Outlet *self, PyObject *args)
{
    Next next;
    double deadline;
    long long sent = 0;
    int number;
    if (self->reader == NULL
        || !PyArg_ParseTuple(args, "dKKKL", &deadline, &next.generation, &next.at, &next.first, &next.allowed))
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "not made");
    Py_BEGIN_ALLOW_THREADS
    number = sleeper_sleep(self->sleeper, deadline, 1);
    if (!number)
        sent = send_next(self, &next);
    Py_END_ALLOW_THREADS
    if (number) {
        errno = number;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyLong_FromLongLong(sent);
}

static void outlet_dealloc(Outlet *self)
{
    Py_CLEAR(self->reader);
    Py_CLEAR(self->sleeper);
    PyMem_RawFree(self->mark.identity);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef outlet_methods[] = {
    {"send", (PyCFunction)outlet_send, METH_VARARGS, "Samples that were sent; 0: none are there, -1: Python is to."},
    {"wait_and_send", (PyCFunction)outlet_wait_and_send, METH_VARARGS, "The same, after RingWaiter.wait."},
    {NULL},
};

PyTypeObject OutletType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.Outlet",
    .tp_basicsize = sizeof(Outlet),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "What Sender does for each small chunk.",
    .tp_init = (initproc)outlet_init,
    .tp_dealloc = (destructor)outlet_dealloc,
    .tp_methods = outlet_methods,
    .tp_new = PyType_GenericNew,
};
