/* Taking in: the ordinary way of Feed.take, from a ring into a script's window. */
#include "core.h"

static PyObject *name_pending_slowly, *name_commit_slowly, *name_append_slowly;

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
static long long look(ReaderCore *self)
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
    long long available = look(self);
    if (available < 0)
        return PyObject_CallMethodObjArgs((PyObject *)self, name_pending_slowly, NULL);
    return PyLong_FromLongLong(available);
}

/* So many samples were taken, the last of them with this timestamp. */
static void deliver(ReaderCore *self, long long count, double newest)
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
            deliver(self, count, newest);
            Py_RETURN_TRUE;
        }
    }
    return PyObject_CallMethodObjArgs((PyObject *)self, name_commit_slowly, number, NULL);
}

/* Timestamp of the oldest sample behind that of this number and stamp, if its chunk is one of the last few; else NaN. */
static double origin_of(ReaderCore *self, uint64_t sequence, double stamp)
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

/* Whether so many samples go behind the others as they are, and none leaves that no loop saw; `first`: where it begins then. */
static int fits(WindowCore *self, Py_ssize_t count, Py_ssize_t *first)
{
    Py_ssize_t end = self->end + count;
    *first = end - self->first > self->window ? end - self->window : self->first;
    return self->plain && self->rows != NULL && count <= self->window && end <= self->room
        && *first <= (self->first > self->mark ? self->first : self->mark);
}

/* take(reader, window): all that is pending into the window, committed.
 *
 * Returns None where nothing is pending; NotImplemented, with nothing changed, where it is not the ordinary case; else
 * the first sequence number, the timestamps of the first and the last sample, and that of the oldest one behind the
 * first, NaN where that is to be looked for further back. Caller has seen to it that the window takes the stream as it
 * is.
 */
PyObject *core_take(PyObject *module, PyObject *const *args, Py_ssize_t arguments)
{
    if (arguments != 2 || !PyObject_TypeCheck(args[0], &ReaderCoreType) || !PyObject_TypeCheck(args[1], &WindowCoreType))
        return PyErr_Format(PyExc_TypeError, "take() takes a reader and a window");
    ReaderCore *self = (ReaderCore *)args[0];
    WindowCore *window = (WindowCore *)args[1];
    long long count = look(self);
    if (count == 0)
        Py_RETURN_NONE;
    Py_ssize_t end = window->end + (Py_ssize_t)count, first;
    if (count < 0 || window->row_bytes != self->row_bytes || !fits(window, count, &first))
        Py_RETURN_NOTIMPLEMENTED;
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
        Py_RETURN_NOTIMPLEMENTED; /* overtaken: what was copied lies behind the window's end, where nobody looks */
    double oldest = window->times[window->end], newest = window->times[end - 1];
    PyObject *taken = Py_BuildValue(
        "Kddd", (unsigned long long)position, oldest, newest, origin_of(self, position, oldest));
    if (taken == NULL)
        return NULL;
    window->first = first;
    window->end = end;
    window->version++;
    Py_CLEAR(window->undo);
    deliver(self, count, newest);
    return taken;
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

static int set_data(WindowCore *self, PyObject *array, void *unused)
{
    Py_buffer view;
    if (array == NULL || PyObject_GetBuffer(array, &view, PyBUF_WRITABLE | PyBUF_STRIDES | PyBUF_FORMAT))
        return array == NULL ? (PyErr_SetString(PyExc_AttributeError, "_data stays"), -1) : -1;
    int plain = view.ndim == 2 && PyBuffer_IsContiguous(&view, 'C') && view.format != NULL && strchr(view.format, 'O') == NULL;
    /* The array owns its memory, and this object holds the array. */
    self->rows = plain ? view.buf : NULL;
    self->row_bytes = plain ? view.shape[1] * view.itemsize : 0;
    self->format = plain && view.format[1] == 0 ? view.format[0] : 0;
    PyBuffer_Release(&view);
    Py_INCREF(array);
    Py_XSETREF(self->data, array);
    return 0;
}

static int set_stamps(WindowCore *self, PyObject *array, void *unused)
{
    Py_buffer view;
    if (array == NULL || PyObject_GetBuffer(array, &view, PyBUF_WRITABLE | PyBUF_FORMAT | PyBUF_C_CONTIGUOUS))
        return array == NULL ? (PyErr_SetString(PyExc_AttributeError, "_stamps stays"), -1) : -1;
    self->times = view.buf;
    self->room = view.len / sizeof(double);
    PyBuffer_Release(&view);
    Py_INCREF(array);
    Py_XSETREF(self->stamps, array);
    return 0;
}

static PyObject *get(PyObject *held, const char *name)
{
    if (held == NULL)
        return PyErr_Format(PyExc_AttributeError, "%s", name);
    Py_INCREF(held);
    return held;
}

static PyObject *get_data(WindowCore *self, void *unused)
{
    return get(self->data, "_data");
}

static PyObject *get_stamps(WindowCore *self, void *unused)
{
    return get(self->stamps, "_stamps");
}

static PyObject *get_new_count(WindowCore *self, void *unused)
{
    return PyLong_FromSsize_t(self->end - (self->first > self->mark ? self->first : self->mark));
}

static PyObject *append(WindowCore *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Py_buffer data, stamps;
    Py_ssize_t first;
    int plain = 0;
    if (names == NULL && count == 2 && PyObject_GetBuffer(args[0], &data, PyBUF_STRIDES | PyBUF_FORMAT) == 0) {
        if (PyObject_GetBuffer(args[1], &stamps, PyBUF_STRIDES | PyBUF_FORMAT) == 0) {
            Py_ssize_t rows = data.ndim == 2 ? data.shape[0] : 0;
            plain = rows > 0 && self->format && data.format[0] == self->format && data.format[1] == 0
                && data.shape[1] * data.itemsize == self->row_bytes && PyBuffer_IsContiguous(&data, 'C')
                && stamps.ndim == 1 && stamps.shape[0] == rows && strcmp(stamps.format, "d") == 0
                && PyBuffer_IsContiguous(&stamps, 'C') && fits(self, rows, &first);
            PyObject *undo = NULL;
            if (plain)
                undo = Py_BuildValue("OOnnnn", self->data, self->stamps, self->first, self->end, self->mark, rows);
            if (undo != NULL) {
                Py_XSETREF(self->undo, undo);
                memcpy(self->rows + self->end * self->row_bytes, data.buf, rows * self->row_bytes);
                memcpy(self->times + self->end, stamps.buf, rows * sizeof(double));
                self->end += rows;
                self->first = first;
                self->version++;
            }
            PyBuffer_Release(&stamps);
        }
        PyBuffer_Release(&data);
    }
    if (plain)
        return PyErr_Occurred() ? NULL : PyLong_FromLong(0);
    PyErr_Clear();
    if (name_append_slowly == NULL && (name_append_slowly = PyUnicode_InternFromString("_append_slowly")) == NULL)
        return NULL;
    PyObject *method = PyObject_GetAttr((PyObject *)self, name_append_slowly);
    if (method == NULL)
        return NULL;
    PyObject *result = PyObject_Vectorcall(method, args, count, names);
    Py_DECREF(method);
    return result;
}

static PyObject *mark(WindowCore *self, PyObject *unused)
{
    self->mark = self->end;
    Py_CLEAR(self->undo);
    Py_RETURN_NONE;
}

static Py_ssize_t window_length(WindowCore *self)
{
    return self->end - self->first;
}

static PyObject *shows(WindowCore *self, PyObject *views)
{
    if (!PyTuple_Check(views) || PyTuple_GET_SIZE(views) != 4 || self->data == NULL)
        return PyErr_Format(PyExc_TypeError, "shows() takes what ahead() gave");
    Py_ssize_t first = PyLong_AsSsize_t(PyTuple_GET_ITEM(views, 0)), end = PyLong_AsSsize_t(PyTuple_GET_ITEM(views, 1));
    if (PyErr_Occurred())
        return NULL;
    if (first != self->first || end != self->end)
        Py_RETURN_FALSE;
    PyObject *base = PyObject_GetAttrString(PyTuple_GET_ITEM(views, 2), "base");
    if (base == NULL)
        return NULL;
    Py_DECREF(base);
    return PyBool_FromLong(base == self->data);
}

static void window_dealloc(WindowCore *self)
{
    Py_CLEAR(self->data);
    Py_CLEAR(self->stamps);
    Py_CLEAR(self->undo);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef window_methods[] = {
    {"append", (PyCFunction)(void (*)(void))append, METH_FASTCALL | METH_KEYWORDS, "See InputBuffer.append."},
    {"shows", (PyCFunction)shows, METH_O, "See InputBuffer.shows."},
    {"mark", (PyCFunction)mark, METH_NOARGS, "See InputBuffer.mark."},
    {NULL},
};

static PySequenceMethods window_sequence = {.sq_length = (lenfunc)window_length};

static PyGetSetDef window_getset[] = {
    {"_data", (getter)get_data, (setter)set_data, NULL, NULL},
    {"_stamps", (getter)get_stamps, (setter)set_stamps, NULL, NULL},
    {"new_count", (getter)get_new_count, NULL, "See InputBuffer.new_count.", NULL},
    {NULL},
};

static PyMemberDef window_members[] = {
    {"_first", T_PYSSIZET, offsetof(WindowCore, first), 0, NULL},
    {"_end", T_PYSSIZET, offsetof(WindowCore, end), 0, NULL},
    {"_mark", T_PYSSIZET, offsetof(WindowCore, mark), 0, NULL},
    {"_plain", T_BOOL, offsetof(WindowCore, plain), 0, NULL},
    {"_undo", T_OBJECT, offsetof(WindowCore, undo), 0, NULL},
    {"version", T_PYSSIZET, offsetof(WindowCore, version), 0, NULL},
    {"window", T_PYSSIZET, offsetof(WindowCore, window), 0, NULL},
    {NULL},
};

PyTypeObject WindowCoreType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.WindowCore",
    .tp_basicsize = sizeof(WindowCore),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "What InputBuffer does for each chunk.",
    .tp_dealloc = (destructor)window_dealloc,
    .tp_as_sequence = &window_sequence,
    .tp_methods = window_methods,
    .tp_getset = window_getset,
    .tp_members = window_members,
    .tp_new = PyType_GenericNew,
};
