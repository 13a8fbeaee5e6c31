/* The second half of a turn, once the script's loop() is over: give out, settle, count, and prepare the next. */
#include "turn.h"

#include <math.h>

static PyObject *name_base, *name_tick, *name_frequency, *name_deadline, *name_overtaken, *name_origin,
    *name_settle, *name_prepare, *name_make_room, *name_newest, *name_discard, *name_tell_not_finite;

int turn_out_names(void)
{
    struct { PyObject **to; const char *name; } all[] = {
        {&name_base, "_base"}, {&name_tick, "_tick"}, {&name_frequency, "frequency"}, {&name_deadline, "deadline"},
        {&name_overtaken, "overtaken"}, {&name_origin, "origin"}, {&name_settle, "settle"},
        {&name_prepare, "prepare"}, {&name_make_room, "make_room"}, {&name_newest, "newest_timestamp"},
        {&name_discard, "_discard"}, {&name_tell_not_finite, "_tell_not_finite"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((*all[i].to = PyUnicode_InternFromString(all[i].name)) == NULL)
            return -1;
    return 0;
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
    PyObject *result = PyObject_CallMethod(self->loop, "_publish_rest", "dd", now, origin);
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
        return set_attribute(pacer, name_deadline, PyFloat_FromDouble(deadline));
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
    if (set_attribute(pacer, name_tick, PyLong_FromLongLong(tick))
        || set_attribute(pacer, name_deadline, PyFloat_FromDouble(base + (double)tick / frequency)))
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
        if (is_core(feed) && ((FeedCore *)feed)->reader != NULL ? feed_settle((FeedCore *)feed) : call_method(feed, name_settle, NULL))
            return -1;
    }
    PyObject *done = PyObject_CallNoArgs(self->commit);
    Py_XDECREF(done);
    return done == NULL || (self->guarded && call_method(self->loop, name_tell_not_finite, NULL)) ? -1 : 0;
}

/* What can be done of the next loop, since nobody waits now: of one on the clock what would make its outputs come later. */
static int prepare(Turn *self)
{
    if (self->senders == Py_None && call_method(self->outputs, name_prepare, NULL))
        return -1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->ports); i++) {
        PyObject *port = PyTuple_GET_ITEM(self->ports, i);
        if (!PyObject_TypeCheck(port, &PortCoreType)) {
            if (call_method(port, self->on_clock ? name_make_room : name_prepare, NULL))
                return -1;
        } else if (self->on_clock ? port_make_room((PortCore *)port) : port_prepare((PortCore *)port)) {
            return -1;
        }
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

PyObject *turn_end(Turn *self, PyObject *const *args, Py_ssize_t arguments)
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
        if (call_method(self->loop, name_discard, args[0]))
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
