/* Showing: the ordinary way of InputPort, from a window to what the script finds in its inputs. */
#include "core.h"

static PyObject *name_begin_slowly, *name_transposed, *name_make_room;

static int is_window(const PortCore *self)
{
    return PyObject_TypeCheck(self->buffer, &WindowCoreType);
}

static void forget_ready(PortCore *self)
{
    Py_CLEAR(self->ready_of);
    Py_CLEAR(self->ready_data);
    Py_CLEAR(self->ready_stamps);
}

/* What the buffer shows now, both arrays new references. */
static int look(PortCore *self, PyObject **data, PyObject **stamps, Py_ssize_t *version)
{
    if (is_window(self)) {
        WindowCore *window = (WindowCore *)self->buffer;
        *version = window->version;
        if (self->ready_of != NULL && self->ready_of == window->data && self->ready_first == window->first
            && self->ready_end == window->end) {
            *data = Py_NewRef(self->ready_data);
            *stamps = Py_NewRef(self->ready_stamps);
            return 0;
        }
        if ((*data = PySequence_GetSlice(window->data, window->first, window->end)) == NULL)
            return -1;
        if ((*stamps = PySequence_GetSlice(window->stamps, window->first, window->end)) == NULL) {
            Py_DECREF(*data);
            return -1;
        }
        return 0;
    }
    ViewCore *view = (ViewCore *)self->buffer;
    *version = view->version;
    *data = Py_NewRef(view->data);
    *stamps = Py_NewRef(view->stamps);
    return 0;
}

static int refresh(PortCore *self, PyObject *shown)
{
    PyObject *data, *stamps;
    Py_ssize_t version;
    if (look(self, &data, &stamps, &version))
        return -1;
    forget_ready(self); /* it keeps the array from being used again */
    if (self->turned)
        Py_SETREF(data, PyObject_GetAttr(data, name_transposed));
    PyObject *pair = data == NULL ? NULL : PyList_New(2);
    if (pair == NULL) {
        Py_XDECREF(data);
        Py_DECREF(stamps);
        return -1;
    }
    PyList_SET_ITEM(pair, 0, Py_NewRef(data));
    PyList_SET_ITEM(pair, 1, Py_NewRef(stamps));
    Py_XSETREF(self->data, data);
    Py_XSETREF(self->stamps, stamps);
    Py_XSETREF(self->pair, pair);
    self->seen = version;
    return PyDict_SetItem(shown, self->name, pair);
}

/* Whether the script has left what it was shown as it was. */
static int is_untouched(const PortCore *self, PyObject *there)
{
    PyObject *pair = self->pair == Py_None ? NULL : self->pair;
    if (there != pair)
        return 0;
    return pair == NULL
        || (PyList_Check(pair) && PyList_GET_SIZE(pair) == 2 && PyList_GET_ITEM(pair, 0) == self->data && PyList_GET_ITEM(pair, 1) == self->stamps);
}

int port_begin(PortCore *self, PyObject *shown)
{
    int window = is_window(self);
    PyObject *there = PyDict_GetItemWithError(shown, self->name);
    if (there == NULL && PyErr_Occurred())
        return -1;
    if (!is_untouched(self, there) || !(window || PyObject_TypeCheck(self->buffer, &ViewCoreType))) {
        PyObject *done = PyObject_CallMethodObjArgs((PyObject *)self, name_begin_slowly, shown, NULL);
        Py_XDECREF(done);
        return done == NULL ? -1 : 0;
    }
    Py_ssize_t fresh = window ? window_new_count((WindowCore *)self->buffer) : view_new_count((ViewCore *)self->buffer);
    Py_ssize_t version = window ? ((WindowCore *)self->buffer)->version : ((ViewCore *)self->buffer)->version;
    if (fresh || version != self->seen) {
        if ((fresh || there != NULL) && refresh(self, shown))
            return -1;
        if (window)
            window_mark((WindowCore *)self->buffer);
        else
            ((ViewCore *)self->buffer)->fresh = 0;
    }
    PyObject *number = PyLong_FromSsize_t(fresh);
    if (number == NULL)
        return -1;
    Py_XSETREF(self->fresh, number);
    return 0;
}

/* How many samples were new to the last loop, also where it was given them as arrays; -1 with an exception. */
static Py_ssize_t last_count(const PortCore *self)
{
    if (self->fresh == NULL)
        return 0;
    if (PyLong_CheckExact(self->fresh))
        return PyLong_AsSsize_t(self->fresh);
    return PyTuple_Check(self->fresh) && PyTuple_GET_SIZE(self->fresh) == 2 ? PyObject_Length(PyTuple_GET_ITEM(self->fresh, 1)) : 0;
}

/* Have the window move now, where so many samples more would make the next loop wait for that. */
static int window_make_room(PortCore *self, Py_ssize_t count)
{
    WindowCore *window = (WindowCore *)self->buffer;
    if (window->end + count <= window->room)
        return 0;
    PyObject *number = PyLong_FromSsize_t(count);
    PyObject *done = number == NULL ? NULL : PyObject_CallMethodObjArgs(self->buffer, name_make_room, number, NULL);
    Py_XDECREF(number);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

int port_make_room(PortCore *self)
{
    Py_ssize_t count = last_count(self);
    if (count <= 0 || !is_window(self))
        return count == -1 && PyErr_Occurred() ? -1 : 0;
    forget_ready(self);
    return window_make_room(self, count);
}

int port_prepare(PortCore *self)
{
    Py_ssize_t count = last_count(self);
    if (count <= 0)
        return count == -1 && PyErr_Occurred() ? -1 : 0;
    if (PyObject_TypeCheck(self->buffer, &ViewCoreType))
        return view_ahead((ViewCore *)self->buffer, count);
    if (!is_window(self))
        return 0;
    WindowCore *window = (WindowCore *)self->buffer;
    forget_ready(self);
    if (window_make_room(self, count))
        return -1;
    Py_ssize_t end = window->end + count, first = end - window->window > window->first ? end - window->window : window->first;
    if (end > window->room)
        return 0;
    if ((self->ready_data = PySequence_GetSlice(window->data, first, end)) == NULL
        || (self->ready_stamps = PySequence_GetSlice(window->stamps, first, end)) == NULL) {
        forget_ready(self);
        return -1;
    }
    self->ready_of = Py_NewRef(window->data);
    self->ready_first = first;
    self->ready_end = end;
    return 0;
}

int port_names(void)
{
    return (name_begin_slowly = PyUnicode_InternFromString("_begin_slowly"))
        && (name_transposed = PyUnicode_InternFromString("T"))
        && (name_make_room = PyUnicode_InternFromString("make_room")) ? 0 : -1;
}

static PyObject *begin_loop(PortCore *self, PyObject *shown)
{
    if (!PyDict_Check(shown))
        return PyErr_Format(PyExc_TypeError, "begin_loop() takes a dict");
    if (port_begin(self, shown))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *prepare(PortCore *self, PyObject *unused)
{
    if (port_prepare(self))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *make_room(PortCore *self, PyObject *unused)
{
    if (port_make_room(self))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *refresh_now(PortCore *self, PyObject *shown)
{
    if (!PyDict_Check(shown) || !(is_window(self) || PyObject_TypeCheck(self->buffer, &ViewCoreType)))
        return PyErr_Format(PyExc_TypeError, "refresh() takes a dict, and a window of the kernel's");
    if (refresh(self, shown))
        return NULL;
    Py_RETURN_NONE;
}

static int traverse(PortCore *self, visitproc visit, void *arg)
{
    /* What scripts can put something into: the pair. */
    Py_VISIT(self->pair);
    Py_VISIT(self->buffer);
    return 0;
}

static int clear(PortCore *self)
{
    Py_CLEAR(self->pair);
    Py_CLEAR(self->buffer);
    return 0;
}

static void dealloc(PortCore *self)
{
    PyObject_GC_UnTrack(self);
    forget_ready(self);
    Py_CLEAR(self->name);
    Py_CLEAR(self->data);
    Py_CLEAR(self->stamps);
    Py_CLEAR(self->fresh);
    clear(self);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"begin_loop", (PyCFunction)begin_loop, METH_O, "See InputPort.begin_loop."},
    {"make_room", (PyCFunction)make_room, METH_NOARGS, "See InputPort.make_room."},
    {"prepare", (PyCFunction)prepare, METH_NOARGS, "See InputPort.prepare."},
    {"refresh", (PyCFunction)refresh_now, METH_O, "See InputPort.refresh."},
    {NULL},
};

static PyMemberDef members[] = {
    {"_data", T_OBJECT_EX, offsetof(PortCore, data), 0, NULL},
    {"_new", T_OBJECT_EX, offsetof(PortCore, fresh), 0, NULL},
    {"_seen", T_PYSSIZET, offsetof(PortCore, seen), 0, NULL},
    {"_stamps", T_OBJECT_EX, offsetof(PortCore, stamps), 0, NULL},
    {"_turned", T_BOOL, offsetof(PortCore, turned), 0, NULL},
    {"buffer", T_OBJECT_EX, offsetof(PortCore, buffer), 0, NULL},
    {"name", T_OBJECT_EX, offsetof(PortCore, name), 0, NULL},
    {"pair", T_OBJECT, offsetof(PortCore, pair), 0, NULL},
    {NULL},
};

PyTypeObject PortCoreType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.PortCore",
    .tp_basicsize = sizeof(PortCore),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "What InputPort does for each loop.",
    .tp_dealloc = (destructor)dealloc,
    .tp_traverse = (traverseproc)traverse,
    .tp_clear = (inquiry)clear,
    .tp_methods = methods,
    .tp_members = members,
    .tp_new = PyType_GenericNew,
};
