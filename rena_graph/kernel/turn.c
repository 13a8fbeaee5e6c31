/* A turn of a node's loop: the ordinary way of NodeLoop, in one call before the script's loop() and one after it. */
#include "core.h"

#include <math.h>

typedef struct {
    PyObject_HEAD
    union {
        struct {
            PyObject *loop, *feeds, *viewed, *ports, *shown, *info, *outputs, *senders, *commit, *sleeper, *on_grid;
        };
        PyObject *held[11];
    };
    Py_buffer row;
    int on_clock, passes_on, guarded;
    double beat;
} Turn;

static PyObject *name_take, *name_begin_loop, *name_number, *name_started, *name_previous, *name_pending, *name_deadline;
static PyObject *name_base, *name_frequency, *name_tick, *name_begin, *name_overtaken, *name_origin, *name_settle;
static PyObject *name_prepare, *name_newest, *name_discard, *name_tell_not_finite;

int turn_names(void)
{
    struct { PyObject **to; const char *name; } all[] = {
        {&name_take, "take"}, {&name_begin_loop, "begin_loop"}, {&name_number, "number"}, {&name_started, "started"},
        {&name_previous, "previous"}, {&name_pending, "pending"}, {&name_deadline, "deadline"}, {&name_base, "_base"},
        {&name_frequency, "frequency"}, {&name_tick, "_tick"}, {&name_begin, "begin"}, {&name_overtaken, "overtaken"},
        {&name_origin, "origin"}, {&name_settle, "settle"}, {&name_prepare, "prepare"}, {&name_newest, "newest_timestamp"},
        {&name_discard, "_discard"}, {&name_tell_not_finite, "_tell_not_finite"},
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

static int call(PyObject *object, PyObject *name, PyObject *argument)
{
    PyObject *done = PyObject_CallMethodObjArgs(object, name, argument, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int get_float(PyObject *object, PyObject *name, double *number)
{
    PyObject *value = PyObject_GetAttr(object, name);
    if (value == NULL)
        return -1;
    *number = PyFloat_AsDouble(value);
    Py_DECREF(value);
    return *number == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static int set(PyObject *object, PyObject *name, PyObject *value)
{
    int failed = value == NULL || PyObject_SetAttr(object, name, value);
    Py_XDECREF(value);
    return failed ? -1 : 0;
}

static int is_core(PyObject *feed)
{
    return PyObject_TypeCheck(feed, &FeedCoreType);
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
    return set(info, name_number, PyLong_FromLongLong(count + 1)) || set(info, name_previous, before)
        || set(info, name_started, PyFloat_FromDouble(now)) ? -1 : 0;
}

/* begin(now): take in, and show; when the script is called, in nanoseconds. */
static PyObject *begin(Turn *self, PyObject *given)
{
    double now = PyFloat_AsDouble(given);
    if (now == -1.0 && PyErr_Occurred())
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->feeds); i++) {
        PyObject *feed = PyTuple_GET_ITEM(self->feeds, i);
        if (is_core(feed) ? feed_take((FeedCore *)feed) : call(feed, name_take, NULL))
            return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->ports); i++) {
        PyObject *port = PyTuple_GET_ITEM(self->ports, i);
        if (PyObject_TypeCheck(port, &PortCoreType) ? port_begin((PortCore *)port, self->shown)
                                                    : call(port, name_begin_loop, self->shown))
            return NULL;
    }
    if (begin_info(self->info, now))
        return NULL;
    int64_t started = nanoseconds_now();
    store(self->row.buf, NODE_LOOP_STARTED_NS, started);
    return PyLong_FromLongLong(started);
}

/* Graph time of the oldest sample behind this loop's outputs; NaN where nothing was new. */
static int find_origin(Turn *self, double *origin)
{
    *origin = Py_HUGE_VAL;
    for (Py_ssize_t i = 0; self->passes_on && i < PyTuple_GET_SIZE(self->feeds); i++) {
        PyObject *feed = PyTuple_GET_ITEM(self->feeds, i);
        double found;
        if (is_core(feed)) {
            if (feed_origin((FeedCore *)feed, &found))
                return -1;
        } else {
            PyObject *value = PyObject_CallMethodObjArgs(feed, name_origin, NULL);
            found = value == NULL ? -1.0 : PyFloat_AsDouble(value);
            Py_XDECREF(value);
            if (PyErr_Occurred())
                return -1;
        }
        if (found < *origin)
            *origin = found;
    }
    if (*origin == Py_HUGE_VAL)
        *origin = Py_NAN;
    return 0;
}

/* Publish what the script left: 1 where there was anything, 0 where not, -1 with an exception. */
static int give_out(Turn *self, double origin)
{
    if (!PyDict_GET_SIZE(self->outputs))
        return 0;
    double now = seconds_now();
    long done = self->senders == Py_None ? 2 : send_plain(self->outputs, self->senders, now, origin);
    if (done < 2)
        return (int)done;
    PyObject *result = PyObject_CallMethod(self->loop, "_give_out_rest", "dd", now, origin);
    int more = result == NULL ? -1 : PyObject_IsTrue(result);
    Py_XDECREF(result);
    return more < 0 ? -1 : more || done > 2;
}

/* What either pacer does when a loop begins; how many ticks were missed, or -1 with an exception. */
static long long pace(Turn *self, PyObject *pacer, double now)
{
    double frequency, deadline;
    if (get_float(pacer, name_frequency, &frequency))
        return -1;
    if ((PyObject *)Py_TYPE(pacer) != self->on_grid) {
        double period = 1.0 / frequency;
        if (get_float(pacer, name_deadline, &deadline))
            return -1;
        deadline = (now - deadline < period ? deadline : now) + period;
        return set(pacer, name_deadline, PyFloat_FromDouble(deadline));
    }
    double base;
    PyObject *held = PyObject_GetAttr(pacer, name_tick);
    long long tick = held == NULL ? -1 : PyLong_AsLongLong(held);
    Py_XDECREF(held);
    if (PyErr_Occurred() || get_float(pacer, name_base, &base))
        return -1;
    long long reached = (long long)floor((now - base) * frequency + 1e-9);
    long long skipped = reached > tick ? reached - tick : 0;
    tick = (reached > tick ? reached : tick) + 1;
    if (set(pacer, name_tick, PyLong_FromLongLong(tick))
        || set(pacer, name_deadline, PyFloat_FromDouble(base + (double)tick / frequency)))
        return -1;
    return skipped;
}

/* Count the loop, as NodeLoop._count does. */
static int count(
    Turn *self, PyObject *pacer, double now, int64_t started, int64_t took, int64_t out, double made_of, double longest)
{
    double late = Py_NAN, deadline, newest = -Py_HUGE_VAL;
    if (self->on_clock) {
        if (get_float(pacer, name_deadline, &deadline))
            return -1;
        late = now - deadline;
    }
    long long skipped = pace(self, pacer, now);
    if (skipped < 0)
        return -1;
    if (skipped)
        add(self->row.buf, NODE_SKIPPED, skipped);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->feeds); i++) {
        PyObject *feed = PyTuple_GET_ITEM(self->feeds, i);
        double stamp;
        if (is_core(feed))
            stamp = ((FeedCore *)feed)->newest;
        else if (get_float(feed, name_newest, &stamp))
            return -1;
        if (stamp > newest) /* false of NaN: nothing has come yet */
            newest = stamp;
    }
    tally_add(self->row.buf, now, started, took, out, late, newest, made_of, longest);
    return 0;
}

/* Settle, commit, and tell of what was kept from the script. */
static int settle(Turn *self)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->feeds); i++) {
        PyObject *feed = PyTuple_GET_ITEM(self->feeds, i);
        if (is_core(feed) && ((FeedCore *)feed)->reader != NULL ? feed_settle((FeedCore *)feed) : call(feed, name_settle, NULL))
            return -1;
    }
    PyObject *done = PyObject_CallNoArgs(self->commit);
    Py_XDECREF(done);
    return done == NULL || (self->guarded && call(self->loop, name_tell_not_finite, NULL)) ? -1 : 0;
}

/* What can be done of the next loop, since nobody waits now: not for one on the clock, for which nobody waits at all. */
static int prepare(Turn *self)
{
    if (self->senders == Py_None && call(self->outputs, name_prepare, NULL))
        return -1;
    for (Py_ssize_t i = 0; !self->on_clock && i < PyTuple_GET_SIZE(self->ports); i++) {
        PyObject *port = PyTuple_GET_ITEM(self->ports, i);
        if (PyObject_TypeCheck(port, &PortCoreType) ? port_prepare((PortCore *)port) : call(port, name_prepare, NULL))
            return -1;
    }
    return 0;
}

static int any_overtaken(Turn *self)
{
    int any = 0;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->viewed); i++) { /* all are asked: each counts its own loss */
        PyObject *found = PyObject_CallMethodObjArgs(PyTuple_GET_ITEM(self->viewed, i), name_overtaken, NULL);
        int overtaken = found == NULL ? -1 : PyObject_IsTrue(found);
        Py_XDECREF(found);
        if (overtaken < 0)
            return -1;
        any |= overtaken;
    }
    return any;
}

/* end(now, began, started, pacer, longest): give out, and count. */
static PyObject *end(Turn *self, PyObject *const *args, Py_ssize_t arguments)
{
    if (arguments != 5)
        return PyErr_Format(PyExc_TypeError, "end() takes now, began, started, pacer, longest");
    double now = PyFloat_AsDouble(args[0]), longest = PyFloat_AsDouble(args[4]), made_of = Py_NAN, origin = Py_NAN;
    int64_t began = PyLong_AsLongLong(args[1]), started = PyLong_AsLongLong(args[2]);
    if (PyErr_Occurred())
        return NULL;
    char *row = self->row.buf;
    int64_t took = nanoseconds_now() - started;
    store(row, NODE_LOOP_STARTED_NS, 0);
    int overtaken = any_overtaken(self);
    if (overtaken < 0)
        return NULL;
    if (overtaken) {
        if (call(self->loop, name_discard, args[0]))
            return NULL;
    } else {
        int sent = find_origin(self, &origin) ? -1 : give_out(self, origin);
        if (sent < 0)
            return NULL;
        if (sent)
            made_of = origin;
    }
    int64_t out = nanoseconds_now() - began;
    if (settle(self) || count(self, args[3], now, started, took, out, made_of, longest) || prepare(self))
        return NULL;
    add(row, NODE_OWN_NS, nanoseconds_now() - began - took);
    Py_RETURN_NONE;
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
    {"end", (PyCFunction)(void (*)(void))end, METH_FASTCALL, "Give out, and count."},
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
