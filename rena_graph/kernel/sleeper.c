/* Waiting: RingWaiter.wait, in one call from the clock that says how long to the bells that are noted afterwards. */
#include "core.h"

#include <errno.h>
#include <math.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

enum { MAX_WORDS = 128, U32 = 2, PRIVATE = 128 };

typedef struct {
    uint64_t value, address;
    uint32_t flags, reserved;
} Word;

typedef struct {
    PyObject_HEAD
    Word words[MAX_WORDS];
    unsigned int count;
    double longest, longest_on_data;
    PyObject *held;
} Sleeper;

/* Sleeper(words, longest, longest_on_data, held): `words` has (address, private) of each, the first is the doorbell;
 * `held` keeps the memory there. */
static int init(Sleeper *self, PyObject *args, PyObject *names)
{
    PyObject *words, *held;
    if (!PyArg_ParseTuple(args, "O!ddO", &PyTuple_Type, &words, &self->longest, &self->longest_on_data, &held))
        return -1;
    Py_INCREF(held);
    Py_XSETREF(self->held, held);
    Py_ssize_t count = PyTuple_GET_SIZE(words);
    if (count < 1 || count > MAX_WORDS) {
        PyErr_SetString(PyExc_ValueError, "1 to 128 words");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        unsigned long long address;
        int private;
        if (!PyArg_ParseTuple(PyTuple_GET_ITEM(words, i), "Kp", &address, &private))
            return -1;
        /* Of a doorbell the value now; of data one that lies behind, so that the first wait for it returns at once. */
        uint32_t value = __atomic_load_n((uint32_t *)address, __ATOMIC_ACQUIRE) - (i ? 1 : 0);
        Word word = {value, address, U32 | (private ? PRIVATE : 0), 0};
        self->words[i] = word;
    }
    self->words[0].value = 0;
    self->count = count;
    return 0;
}

/* RingWaiter.wait without the interpreter, which the caller has let go of: 0, or the number of an error. */
int sleeper_sleep(PyObject *sleeper, double deadline, int on_data)
{
    Sleeper *self = (Sleeper *)sleeper;
    double now = seconds_now(), latest = now + (on_data ? self->longest_on_data : self->longest);
    if (deadline > latest)
        deadline = latest;
    int number = 0;
    /* A timer that is over when it is set costs the kernel ten times what any other wait does. */
    if (deadline > now) {
        struct timespec until;
        until.tv_sec = (time_t)deadline;
        until.tv_nsec = (long)((deadline - (double)until.tv_sec) * 1e9);
        if (syscall(SYS_futex_waitv, self->words, on_data ? self->count : 1, 0, &until, CLOCK_MONOTONIC) < 0)
            number = errno;
        if (number == EAGAIN || number == EINTR || number == ETIMEDOUT)
            number = 0;
    }
    for (unsigned int i = 0; !number && i < (on_data ? self->count : 1); i++)
        self->words[i].value = __atomic_load_n((uint32_t *)self->words[i].address, __ATOMIC_ACQUIRE);
    return number;
}

/* The same with the interpreter: 1 where the doorbell rang, 0 where not, -1 with an exception. */
int sleeper_wait(PyObject *sleeper, double deadline, int on_data)
{
    uint64_t before = ((Sleeper *)sleeper)->words[0].value;
    int number;
    Py_BEGIN_ALLOW_THREADS
    number = sleeper_sleep(sleeper, deadline, on_data);
    Py_END_ALLOW_THREADS
    if (number) {
        errno = number;
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    return ((Sleeper *)sleeper)->words[0].value != before;
}

static PyObject *wait_for(Sleeper *self, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    PyObject *given[2] = {count > 0 ? args[0] : NULL, count > 1 ? args[1] : NULL};
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        given[PyUnicode_CompareWithASCIIString(name, "on_data") == 0] = args[count + i];
    }
    if (count + named != 2 || given[0] == NULL || given[1] == NULL)
        return PyErr_Format(PyExc_TypeError, "wait() takes deadline and on_data");
    double deadline = given[0] == Py_None ? Py_HUGE_VAL : PyFloat_AsDouble(given[0]);
    int on_data = PyObject_IsTrue(given[1]);
    if ((deadline == -1.0 && PyErr_Occurred()) || on_data < 0)
        return NULL;
    if (sleeper_wait((PyObject *)self, deadline, on_data) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static void dealloc(Sleeper *self)
{
    Py_CLEAR(self->held);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"wait", (PyCFunction)(void (*)(void))wait_for, METH_FASTCALL | METH_KEYWORDS, "See RingWaiter.wait."},
    {NULL},
};

PyTypeObject SleeperType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.Sleeper",
    .tp_basicsize = sizeof(Sleeper),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "What RingWaiter does for each wait.",
    .tp_init = (initproc)init,
    .tp_dealloc = (destructor)dealloc,
    .tp_methods = methods,
    .tp_new = PyType_GenericNew,
};
