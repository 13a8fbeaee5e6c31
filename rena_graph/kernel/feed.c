/* Taking in: the ordinary way of Feed, from a ring into a script's window or view of it. */
#include "core.h"

#include <math.h>

static PyObject *name_take_slowly, *name_origin_slowly, *name_overtaken_slowly, *name_check_lossless;

int feed_names(void)
{
    return (name_take_slowly = PyUnicode_InternFromString("_take_slowly"))
        && (name_origin_slowly = PyUnicode_InternFromString("_origin_slowly"))
        && (name_overtaken_slowly = PyUnicode_InternFromString("_overtaken_slowly"))
        && (name_check_lossless = PyUnicode_InternFromString("_check_lossless")) ? 0 : -1;
}

static int call(FeedCore *self, PyObject *name)
{
    PyObject *done = PyObject_CallMethodObjArgs((PyObject *)self, name, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* All that is pending into the window. Whoever attached both has seen to it that the window takes the stream as it is. */
static int window_take(WindowCore *window, ReaderCore *self, Taken *taken)
{
    long long count = reader_look(self);
    if (count == 0)
        return 0;
    Py_ssize_t end = window->end + (Py_ssize_t)count, first;
    if (count < 0 || window->row_bytes != self->row_bytes || !window_fits(window, count, &first))
        return SLOWLY;
    uint64_t position = self->position;
    const char *from = (const char *)self->data.buf + (position % self->capacity) * self->data.strides[0];
    const double *stamps = (const double *)self->stamps.buf + position % self->stamp_capacity;
    char *to = window->rows + window->end * window->row_bytes;
    if (self->row_bytes * count < LONG_COPY) {
        copy_rows(to, self->row_bytes, from, self->data.strides[0], self->row_bytes, count);
    } else {
        Py_BEGIN_ALLOW_THREADS
        copy_rows(to, self->row_bytes, from, self->data.strides[0], self->row_bytes, count);
        Py_END_ALLOW_THREADS
    }
    memcpy(window->times + window->end, stamps, count * sizeof(double));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (load(self->words.buf, FLOOR) > position)
        return SLOWLY; /* overtaken: what was copied lies behind the window's end, where nobody looks */
    taken->first = position;
    taken->oldest = window->times[window->end];
    taken->newest = window->times[end - 1];
    taken->origin = reader_origin(self, position, taken->oldest);
    window->first = first;
    window->end = end;
    window->version++;
    Py_CLEAR(window->undo);
    reader_deliver(self, count, taken->newest);
    return 1;
}

int feed_take(FeedCore *self)
{
    if (self->reader == NULL || self->behind)
        return call(self, name_take_slowly);
    if (PyList_GET_SIZE(self->taken) && PyList_SetSlice(self->taken, 0, PY_SSIZE_T_MAX, NULL))
        return -1;
    Taken taken;
    int done = self->window != NULL ? window_take(self->window, self->reader, &taken) : view_take(self->view, self, &taken);
    if (done == SLOWLY)
        return call(self, name_take_slowly);
    if (done == 1) {
        PyObject *entry = Py_BuildValue("Kddd", taken.first, taken.oldest, taken.newest, taken.origin);
        done = entry == NULL ? -1 : PyList_Append(self->taken, entry);
        Py_XDECREF(entry);
        self->newest = taken.newest;
    }
    if (done < 0)
        return -1;
    return self->lossless ? call(self, name_check_lossless) : 0;
}

/* Graph time of the oldest sample behind what was taken; infinity where nothing was. */
int feed_origin(FeedCore *self, double *origin)
{
    *origin = Py_HUGE_VAL;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(self->taken); i++) {
        double known = PyFloat_AsDouble(PyTuple_GET_ITEM(PyList_GET_ITEM(self->taken, i), 3));
        if (isnan(known)) {
            PyObject *found = PyObject_CallMethodObjArgs((PyObject *)self, name_origin_slowly, NULL);
            *origin = found == NULL ? -1.0 : PyFloat_AsDouble(found);
            Py_XDECREF(found);
            return PyErr_Occurred() ? -1 : 0;
        }
        if (known < *origin)
            *origin = known;
    }
    return 0;
}

int feed_settle(FeedCore *self)
{
    char *row = self->reader->row.buf;
    if (PyList_GET_SIZE(self->taken)) {
        store_float(row, EDGE_LAST_TIMESTAMP, self->newest);
        if (PyList_SetSlice(self->taken, 0, PY_SSIZE_T_MAX, NULL))
            return -1;
    }
    /* One more than the window holds, since an empty one that is shown is not one that is not shown. */
    Py_ssize_t held = self->window != NULL ? self->window->end - self->window->first : PyObject_Length(self->view->data);
    if (held < 0)
        return -1;
    store(row, EDGE_HELD, self->port->pair == NULL || self->port->pair == Py_None ? 0 : held + 1);
    return 0;
}

/* Whether what the loop looked at in place was overwritten meanwhile; -1 with an exception. */
int feed_overtaken(FeedCore *self)
{
    if (self->view == NULL || load(self->reader->words.buf, FLOOR) <= self->first_viewed)
        return 0;
    PyObject *found = PyObject_CallMethodObjArgs((PyObject *)self, name_overtaken_slowly, NULL);
    int overtaken = found == NULL ? -1 : PyObject_IsTrue(found);
    Py_XDECREF(found);
    return overtaken;
}

/* _attach_core(reader, buffer, port, lossless): from now on the ordinary case is for the kernel. */
static PyObject *attach(FeedCore *self, PyObject *args)
{
    PyObject *reader, *buffer, *port;
    int lossless;
    if (!PyArg_ParseTuple(
            args, "O!OO!p", &ReaderCoreType, &reader, &buffer, &PortCoreType, &port, &lossless))
        return NULL;
    int window = PyObject_TypeCheck(buffer, &WindowCoreType);
    if (self->reader != NULL || !((ReaderCore *)reader)->attached || !(window || PyObject_TypeCheck(buffer, &ViewCoreType))
        || self->taken == NULL || !PyList_Check(self->taken))
        return PyErr_Format(PyExc_ValueError, "attached already, or nothing to attach to");
    self->reader = (ReaderCore *)Py_NewRef(reader);
    self->port = (PortCore *)Py_NewRef(port);
    self->lossless = lossless;
    if (window) {
        self->window = (WindowCore *)Py_NewRef(buffer);
    } else {
        self->view = (ViewCore *)Py_NewRef(buffer);
        Py_XSETREF(self->view->reader, (ReaderCore *)Py_NewRef(reader));
    }
    Py_RETURN_NONE;
}

static PyObject *take(FeedCore *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if (count == 0 && names == NULL) {
        if (feed_take(self))
            return NULL;
        Py_RETURN_NONE;
    }
    PyObject *method = PyObject_GetAttr((PyObject *)self, name_take_slowly);
    if (method == NULL)
        return NULL;
    PyObject *result = PyObject_Vectorcall(method, args, count, names);
    Py_DECREF(method);
    return result;
}

static PyObject *origin(FeedCore *self, PyObject *unused)
{
    double found;
    return feed_origin(self, &found) ? NULL : PyFloat_FromDouble(found);
}

static PyObject *settle(FeedCore *self, PyObject *unused)
{
    if (self->reader == NULL)
        return PyErr_Format(PyExc_ValueError, "not attached");
    if (feed_settle(self))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *overtaken(FeedCore *self, PyObject *unused)
{
    int found = feed_overtaken(self);
    return found < 0 ? NULL : PyBool_FromLong(found);
}

static void dealloc(FeedCore *self)
{
    Py_CLEAR(self->reader);
    Py_CLEAR(self->window);
    Py_CLEAR(self->view);
    Py_CLEAR(self->port);
    Py_CLEAR(self->taken);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"_attach_core", (PyCFunction)attach, METH_VARARGS, "Take what is to be moved, and where."},
    {"origin", (PyCFunction)origin, METH_NOARGS, "See Feed.origin."},
    {"overtaken", (PyCFunction)overtaken, METH_NOARGS, "See Feed.overtaken."},
    {"settle", (PyCFunction)settle, METH_NOARGS, "See Feed.settle."},
    {"take", (PyCFunction)(void (*)(void))take, METH_FASTCALL | METH_KEYWORDS, "See Feed.take."},
    {NULL},
};

static PyMemberDef members[] = {
    {"_behind", T_BOOL, offsetof(FeedCore, behind), 0, NULL},
    {"_first_viewed", T_ULONGLONG, offsetof(FeedCore, first_viewed), 0, NULL},
    {"_newly_viewed", T_LONGLONG, offsetof(FeedCore, newly_viewed), 0, NULL},
    {"_taken", T_OBJECT_EX, offsetof(FeedCore, taken), 0, NULL},
    {"newest_timestamp", T_DOUBLE, offsetof(FeedCore, newest), 0, NULL},
    {NULL},
};

PyTypeObject FeedCoreType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.FeedCore",
    .tp_basicsize = sizeof(FeedCore),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "What Feed does for each loop.",
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
    .tp_members = members,
    .tp_new = PyType_GenericNew,
};
