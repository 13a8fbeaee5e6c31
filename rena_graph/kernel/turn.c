/* A turn of a node's loop: the ordinary way of NodeLoop, in one call before the script's loop() and one after it. */
#include "turn.h"

static PyObject *name_take, *name_begin_loop, *name_number, *name_started, *name_previous, *name_pending,
    *name_deadline;

int turn_names(void)
{
    struct { PyObject **to; const char *name; } all[] = {
        {&name_take, "take"}, {&name_begin_loop, "begin_loop"}, {&name_number, "number"}, {&name_started, "started"},
        {&name_previous, "previous"}, {&name_pending, "pending"}, {&name_deadline, "deadline"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((*all[i].to = PyUnicode_InternFromString(all[i].name)) == NULL)
            return -1;
    return 0;
}

/* Turn(loop, feeds, viewed, ports, shown, info, outputs, senders, commit, row, sleeper, on_grid, beat, on_clock, passes_on,
 * guarded): `senders` and `sleeper` may be None; `on_grid` is the class of the pacer on the clock. */
static int init(Turn *self, PyObject *args, PyObject *names)
{
    PyObject *row;
    if (self->loop != NULL
        || !PyArg_ParseTuple(
            args, "OO!O!O!O!OO!OOOOOdppp", &self->loop, &PyTuple_Type, &self->feeds, &PyTuple_Type, &self->viewed,
            &PyTuple_Type, &self->ports, &PyDict_Type, &self->shown, &self->info, &PyDict_Type, &self->outputs,
            &self->senders, &self->commit, &row, &self->sleeper, &self->on_grid, &self->beat, &self->on_clock,
            &self->passes_on, &self->guarded)
        || PyObject_GetBuffer(row, &self->row, PyBUF_WRITABLE)) {
        if (self->row.obj == NULL)
            memset(self->held, 0, sizeof self->held);
        return -1;
    }
    for (int i = 0; i < 11; i++)
        Py_INCREF(self->held[i]);
    if (self->row.len < (SCALARS + 5 * BUCKETS) * 8 || !(self->sleeper == Py_None || Py_IS_TYPE(self->sleeper, &SleeperType))) {
        PyErr_SetString(PyExc_ValueError, "not a node's row, or no sleeper");
        return -1;
    }
    return 0;
}

/* What LoopInfo.begin does. */
static int begin_info(PyObject *info, double now)
{
    PyObject *number = PyObject_GetAttr(info, name_number), *before = PyObject_GetAttr(info, name_started);
    long long count = number == NULL ? -1 : PyLong_AsLongLong(number);
    Py_XDECREF(number);
    if (before == NULL || PyErr_Occurred()) {
        Py_XDECREF(before);
        return -1;
    }
    return set_attribute(info, name_number, PyLong_FromLongLong(count + 1)) || set_attribute(info, name_previous, before)
        || set_attribute(info, name_started, PyFloat_FromDouble(now)) ? -1 : 0;
}

/* begin(now): take in, and show; when the script is called, in nanoseconds. */
static PyObject *begin(Turn *self, PyObject *given)
{
    double now = PyFloat_AsDouble(given);
    if (now == -1.0 && PyErr_Occurred())
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->feeds); i++) {
        PyObject *feed = PyTuple_GET_ITEM(self->feeds, i);
        if (is_core(feed) ? feed_take((FeedCore *)feed) : call_method(feed, name_take, NULL))
            return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->ports); i++) {
        PyObject *port = PyTuple_GET_ITEM(self->ports, i);
        if (PyObject_TypeCheck(port, &PortCoreType) ? port_begin((PortCore *)port, self->shown)
                                                    : call_method(port, name_begin_loop, self->shown))
            return NULL;
    }
    if (begin_info(self->info, now))
        return NULL;
    int64_t started = nanoseconds_now();
    store(self->row.buf, NODE_LOOP_STARTED_NS, started);
    return PyLong_FromLongLong(started);
}

/* Whether something is there to begin a loop with; -1 with an exception. */
static int is_triggered(Turn *self, PyObject *readers)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(readers); i++) {
        PyObject *reader = PyTuple_GET_ITEM(readers, i);
        long long pending = PyObject_TypeCheck(reader, &ReaderCoreType) ? reader_look((ReaderCore *)reader) : -1;
        if (pending < 0) {
            PyObject *found = PyObject_CallMethodObjArgs(reader, name_pending, NULL);
            pending = found == NULL ? -1 : PyLong_AsLongLong(found);
            Py_XDECREF(found);
            if (pending == -1 && PyErr_Occurred())
                return -1;
        }
        if (pending)
            return 1;
    }
    return 0;
}

/* due(pacer, readers): wait until a loop is due, but no longer than a beat: (now, began), or None where none is yet, or
 * somebody wants something. `readers`: those that trigger. */
static PyObject *due(Turn *self, PyObject *const *args, Py_ssize_t arguments)
{
    double deadline;
    if (arguments != 2 || !PyTuple_Check(args[1]) || self->sleeper == Py_None)
        return PyErr_Format(PyExc_TypeError, "due() takes pacer, readers, and a sleeper");
    if (get_float(args[0], name_deadline, &deadline))
        return NULL;
    for (int waited = 0;; waited = 1) {
        int64_t began = nanoseconds_now();
        double now = (double)began / 1e9, wake_at = deadline;
        store(self->row.buf, NODE_BEAT_NS, began);
        int triggered = self->on_clock ? 1 : is_triggered(self, args[1]);
        if (triggered < 0)
            return NULL;
        if (!triggered)
            wake_at = Py_HUGE_VAL;
        if (wake_at <= now)
            return Py_BuildValue("dL", now, (long long)began);
        if (waited)
            Py_RETURN_NONE;
        int wanted = sleeper_wait(self->sleeper, wake_at < now + self->beat ? wake_at : now + self->beat, !triggered);
        if (wanted < 0)
            return NULL;
        if (wanted)
            Py_RETURN_NONE;
    }
}

static int traverse(Turn *self, visitproc visit, void *arg)
{
    for (int i = 0; i < 11; i++)
        Py_VISIT(self->held[i]);
    return 0;
}

static int clear(Turn *self)
{
    for (int i = 0; i < 11; i++)
        Py_CLEAR(self->held[i]);
    return 0;
}

static void dealloc(Turn *self)
{
    PyObject_GC_UnTrack(self);
    clear(self);
    if (self->row.obj != NULL)
        PyBuffer_Release(&self->row);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"begin", (PyCFunction)begin, METH_O, "Take in, and show."},
    {"due", (PyCFunction)(void (*)(void))due, METH_FASTCALL, "Wait until a loop is due."},
    {"end", (PyCFunction)(void (*)(void))turn_end, METH_FASTCALL, "Give out, and count."},
    {NULL},
};

static PyObject *get_waits(Turn *self, void *unused)
{
    return PyBool_FromLong(self->sleeper != NULL && self->sleeper != Py_None);
}

static PyGetSetDef getset[] = {{"waits", (getter)get_waits, NULL, "Whether it can wait.", NULL}, {NULL}};

PyTypeObject TurnType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.Turn",
    .tp_basicsize = sizeof(Turn),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "What NodeLoop does around the script's loop().",
    .tp_init = (initproc)init,
    .tp_dealloc = (destructor)dealloc,
    .tp_traverse = (traverseproc)traverse,
    .tp_clear = (inquiry)clear,
    .tp_methods = methods,
    .tp_getset = getset,
    .tp_new = PyType_GenericNew,
};
