/* ZMQ's functions, as Python's zmq has them, and what both ends of a link know of a stream. */
#include "link.h"

Zmq zmq;
enum { FUNCTIONS = sizeof zmq / sizeof(void *) };

/* use_zmq(addresses): of zmq_msg_init, _init_size, _close, _data, _size, _more, _send, _recv, _gets, zmq_poll, zmq_errno. */
PyObject *core_use_zmq(PyObject *module, PyObject *addresses)
{
    if (!PyTuple_Check(addresses) || PyTuple_GET_SIZE(addresses) != FUNCTIONS)
        return PyErr_Format(PyExc_TypeError, "use_zmq() takes %d addresses", (int)FUNCTIONS);
    void *found[FUNCTIONS];
    for (int i = 0; i < FUNCTIONS; i++)
        if ((found[i] = PyLong_AsVoidPtr(PyTuple_GET_ITEM(addresses, i))) == NULL)
            return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "no function at 0");
    memcpy(&zmq, found, sizeof zmq);
    Py_RETURN_NONE;
}

int mark_init(Mark *self, const Py_buffer *lead, const Py_buffer *identity)
{
    if (zmq.init == NULL || lead->len != sizeof self->lead || identity->len % 8) {
        PyErr_SetString(PyExc_ValueError, "a lead of 8 bytes, an identity of whole words, and use_zmq() before");
        return -1;
    }
    if ((self->identity = PyMem_RawMalloc(identity->len + 1)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(self->lead, lead->buf, lead->len);
    memcpy(self->identity, identity->buf, identity->len);
    self->length = identity->len;
    return 0;
}
