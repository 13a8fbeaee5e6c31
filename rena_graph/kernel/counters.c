/* Counting: what NodeLoop counts of each loop, and what transport/commit.py commits of it. */
#include "core.h"

#include <math.h>

typedef struct {
    PyObject_HEAD
    Py_buffer row;
} Tally;

static int tally_init(Tally *self, PyObject *args, PyObject *names)
{
    PyObject *row;
    if (self->row.obj != NULL || !PyArg_ParseTuple(args, "O", &row))
        return -1;
    if (PyObject_GetBuffer(row, &self->row, PyBUF_WRITABLE))
        return -1;
    if (self->row.len < (SCALARS + 5 * BUCKETS) * 8) {
        PyErr_SetString(PyExc_ValueError, "not a node's row");
        return -1;
    }
    return 0;
}

static void tally_dealloc(Tally *self)
{
    if (self->row.obj != NULL)
        PyBuffer_Release(&self->row);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* transport/histogram.py */
static int bucket_of(int64_t nanoseconds)
{
    if (nanoseconds < 2000)
        return nanoseconds < 1250 ? 0 : (int)(nanoseconds * 4 / 1000) - 4;
    uint64_t scaled = (uint64_t)nanoseconds / 250;
    int shift = 61 - __builtin_clzll(scaled);
    int index = shift * 4 + (int)(scaled >> shift) - 4;
    return index < BUCKETS ? index : BUCKETS - 1;
}

static void count_into(char *row, int histogram, int64_t nanoseconds)
{
    add(row, SCALARS + histogram * BUCKETS + bucket_of(nanoseconds), 1);
}

static int64_t in_nanoseconds(double seconds)
{
    /* What is out of range, or no number, ends in the last bucket. */
    return seconds < 9e9 ? (int64_t)(seconds * 1e9) : INT64_MAX / 4;
}

static void count_age(char *row, double seconds, int histogram)
{
    if (seconds < 0) {
        add(row, NODE_AHEAD, 1);
        seconds = 0.0;
    }
    count_into(row, histogram, in_nanoseconds(seconds));
}

/* One loop, into a node's row.
 *
 * `late`: seconds after the deadline, NaN where there is none. `newest`: timestamp of the newest sample seen, -inf where
 * none was. `made_of`: that of the oldest one that outputs were made of, NaN where none were. `longest`: nanoseconds
 * above which a loop has overrun.
 */
void tally_add(
    char *row, double now, int64_t started, int64_t took, int64_t out, double late, double newest, double made_of,
    double longest)
{
    if (!isnan(late)) {
        int64_t nanoseconds = in_nanoseconds(late);
        count_into(row, LATENESS, nanoseconds);
        count_into(row, OUTS, nanoseconds + out);
    }
    if (newest != -INFINITY) {
        store_float(row, NODE_AGE, now - newest);
        count_age(row, now - newest, AGES);
    }
    if (!load(row, NODE_FIRST_LOOP_NS))
        store(row, NODE_FIRST_LOOP_NS, started);
    store(row, NODE_LAST_LOOP_NS, started);
    add(row, NODE_LOOPS, 1);
    add(row, NODE_LOOP_NS, took);
    if ((uint64_t)took > load(row, NODE_LOOP_NS_MAX))
        store(row, NODE_LOOP_NS_MAX, took);
    count_into(row, LOOP_TIMES, took);
    if ((double)took > longest)
        add(row, NODE_OVERRUNS, 1);
    if (!isnan(made_of))
        count_age(row, now + (double)out / 1e9 - made_of, OUTPUT_AGES);
}

/* count(now, started, took, out, late, newest, made_of, longest) */
static PyObject *tally_count(Tally *self, PyObject *const *args, Py_ssize_t count)
{
    if (count != 8)
        return PyErr_Format(PyExc_TypeError, "count() takes 8 numbers");
    double now = PyFloat_AsDouble(args[0]), late = PyFloat_AsDouble(args[4]), newest = PyFloat_AsDouble(args[5]);
    double made_of = PyFloat_AsDouble(args[6]), longest = PyFloat_AsDouble(args[7]);
    long long started = PyLong_AsLongLong(args[1]), took = PyLong_AsLongLong(args[2]), out = PyLong_AsLongLong(args[3]);
    if (PyErr_Occurred())
        return NULL;
    tally_add(self->row.buf, now, started, took, out, late, newest, made_of, longest);
    Py_RETURN_NONE;
}

static PyMethodDef tally_methods[] = {
    {"count", (PyCFunction)(void (*)(void))tally_count, METH_FASTCALL, "Count one loop."},
    {NULL},
};

PyTypeObject TallyType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.Tally",
    .tp_basicsize = sizeof(Tally),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "What NodeLoop counts of each loop, in a node's row.",
    .tp_init = (initproc)tally_init,
    .tp_dealloc = (destructor)tally_dealloc,
    .tp_methods = tally_methods,
    .tp_new = PyType_GenericNew,
};

typedef struct {
    Py_buffer to, from;
} Pair;

typedef struct {
    PyObject_HEAD
    Py_buffer cell;
    Pair *pairs;
    Py_ssize_t count, held;
} Commits;

/* Commits(cell, even, odd): the counter of commits, and (copy, original) for each part of either copy. */
static int commits_init(Commits *self, PyObject *args, PyObject *names)
{
    PyObject *cell, *copies[2];
    if (self->pairs != NULL || !PyArg_ParseTuple(args, "OO!O!", &cell, &PyTuple_Type, &copies[0], &PyTuple_Type, &copies[1]))
        return -1;
    self->count = PyTuple_GET_SIZE(copies[0]);
    self->pairs = PyMem_Calloc(2 * self->count + 1, sizeof(Pair));
    if (self->pairs == NULL || self->count != PyTuple_GET_SIZE(copies[1])) {
        PyErr_SetString(PyExc_ValueError, "two copies of as many parts");
        return -1;
    }
    if (PyObject_GetBuffer(cell, &self->cell, PyBUF_WRITABLE))
        return -1;
    for (Py_ssize_t i = 0; i < 2 * self->count; i++) {
        PyObject *pair = PyTuple_GET_ITEM(copies[i >= self->count], i % self->count);
        Pair *held = &self->pairs[i];
        if (PyObject_GetBuffer(PyTuple_GET_ITEM(pair, 0), &held->to, PyBUF_WRITABLE))
            return -1;
        if (PyObject_GetBuffer(PyTuple_GET_ITEM(pair, 1), &held->from, PyBUF_SIMPLE)) {
            PyBuffer_Release(&held->to);
            return -1;
        }
        self->held = i + 1;
        if (held->to.len != held->from.len) {
            PyErr_SetString(PyExc_ValueError, "copy and original differ in length");
            return -1;
        }
    }
    return 0;
}

static void commits_dealloc(Commits *self)
{
    for (Py_ssize_t i = 0; i < self->held; i++) {
        PyBuffer_Release(&self->pairs[i].to);
        PyBuffer_Release(&self->pairs[i].from);
    }
    PyMem_Free(self->pairs);
    if (self->cell.obj != NULL)
        PyBuffer_Release(&self->cell);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *commits_commit(Commits *self, PyObject *unused)
{
    uint64_t number = load(self->cell.buf, 0) + 1;
    Pair *pairs = self->pairs + (number & 1 ? self->count : 0);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        /* Cell by cell: a reader may look meanwhile, and whoever is killed leaves whole numbers. */
        for (Py_ssize_t k = 0; k < pairs[i].to.len / 8; k++)
            store(pairs[i].to.buf, k, load(pairs[i].from.buf, k));
    }
    store(self->cell.buf, 0, number);
    Py_RETURN_NONE;
}

static PyMethodDef commits_methods[] = {
    {"commit", (PyCFunction)commits_commit, METH_NOARGS, "See Commit.commit."},
    {NULL},
};

PyTypeObject CommitsType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.Commits",
    .tp_basicsize = sizeof(Commits),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "What Commit.commit copies.",
    .tp_init = (initproc)commits_init,
    .tp_dealloc = (destructor)commits_dealloc,
    .tp_methods = commits_methods,
    .tp_new = PyType_GenericNew,
};
