/* What the two halves of a turn share: before the script's loop() (turn.c), and after it (turn_out.c). */
#ifndef RENA_TURN_H
#define RENA_TURN_H

#include "core.h"

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

/* end(now, began, started, pacer, longest): give out, and count. */
PyObject *turn_end(Turn *self, PyObject *const *args, Py_ssize_t arguments);

static inline int call_method(PyObject *object, PyObject *name, PyObject *argument)
{
    PyObject *done = PyObject_CallMethodObjArgs(object, name, argument, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static inline int get_float(PyObject *object, PyObject *name, double *number)
{
    PyObject *value = PyObject_GetAttr(object, name);
    if (value == NULL)
        return -1;
    *number = PyFloat_AsDouble(value);
    Py_DECREF(value);
    return *number == -1.0 && PyErr_Occurred() ? -1 : 0;
}

static inline int set_attribute(PyObject *object, PyObject *name, PyObject *value)
{
    int failed = value == NULL || PyObject_SetAttr(object, name, value);
    Py_XDECREF(value);
    return failed ? -1 : 0;
}

static inline int is_core(PyObject *feed)
{
    return PyObject_TypeCheck(feed, &FeedCoreType);
}

#endif
