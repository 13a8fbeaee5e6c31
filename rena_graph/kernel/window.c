/* A script's window: the ordinary way of InputBuffer, rows written once behind those that are there. */
#include "core.h"

static PyObject *name_append_slowly;

/* Whether so many samples go behind the others as they are, and none leaves that no loop saw; `first`: where it begins then. */
int window_fits(WindowCore *self, Py_ssize_t count, Py_ssize_t *first)
{
    Py_ssize_t end = self->end + count;
    *first = end - self->first > self->window ? end - self->window : self->first;
    return self->plain && self->rows != NULL && count <= self->window && end <= self->room
        && *first <= (self->first > self->mark ? self->first : self->mark);
}

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

Py_ssize_t window_new_count(const WindowCore *self)
{
    return self->end - (self->first > self->mark ? self->first : self->mark);
}

static PyObject *get_new_count(WindowCore *self, void *unused)
{
    return PyLong_FromSsize_t(window_new_count(self));
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
                && PyBuffer_IsContiguous(&stamps, 'C') && window_fits(self, rows, &first);
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

void window_mark(WindowCore *self)
{
    self->mark = self->end;
    Py_CLEAR(self->undo);
}

static PyObject *mark(WindowCore *self, PyObject *unused)
{
    window_mark(self);
    Py_RETURN_NONE;
}

static Py_ssize_t window_length(WindowCore *self)
{
    return self->end - self->first;
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
