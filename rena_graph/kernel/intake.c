/* Links between hosts: a small chunk from a message into the ring, without the interpreter. */
#include "link.h"

#include <errno.h>
#include <pthread.h>

enum { MOST_SAMPLES = 1 << 20 };
enum { NOTHING = -1, DOOR = -2, LEFT = -3 }; /* what Intake.receive() says, where it does not say which slot */

typedef struct {
    Mark mark;
    char *host; /* that may send it; NULL: anybody */
    WriterCore *writer;
    uint64_t generation, next;
    int armed;
} Slot;

typedef struct {
    PyObject_HEAD
    pthread_mutex_t lock; /* over the slots; whoever has it never waits for the interpreter */
    Slot *slots;
    int count;
    void *router, *door;
    long long samples;
    PyObject *peer, *host, *frame;
    char more;
} Intake;

static PyObject *intake_new(PyTypeObject *type, PyObject *args, PyObject *names)
{
    unsigned long long router, door;
    if (!PyArg_ParseTuple(args, "KK", &router, &door))
        return NULL;
    Intake *self = (Intake *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    pthread_mutex_init(&self->lock, NULL);
    self->router = (void *)(uintptr_t)router;
    self->door = (void *)(uintptr_t)door;
    return (PyObject *)self;
}

/* admit(lead, identity, host, writer): one more stream; its slot. */
static PyObject *admit(Intake *self, PyObject *args)
{
    Py_buffer lead, identity;
    const char *host;
    PyObject *writer;
    if (!PyArg_ParseTuple(args, "y*y*zO!", &lead, &identity, &host, &WriterCoreType, &writer))
        return NULL;
    Slot slot = {.writer = (WriterCore *)writer};
    int failed = mark_init(&slot.mark, &lead, &identity);
    PyBuffer_Release(&lead);
    PyBuffer_Release(&identity);
    if (failed)
        return NULL;
    char *name = host == NULL ? NULL : PyMem_RawMalloc(strlen(host) + 1);
    if (host != NULL && name == NULL) {
        PyMem_RawFree(slot.mark.identity);
        return PyErr_NoMemory();
    }
    slot.host = name == NULL ? NULL : strcpy(name, host);
    pthread_mutex_lock(&self->lock);
    /* No place is used again: whoever was told of one that is gone shall not take another one for it. */
    int place = self->count;
    Slot *slots = PyMem_RawRealloc(self->slots, (place + 1) * sizeof *slots);
    if (slots != NULL) {
        self->slots = slots;
        self->count = place + 1;
        slots[place] = slot;
        Py_INCREF(writer);
    }
    pthread_mutex_unlock(&self->lock);
    if (slots == NULL) {
        PyMem_RawFree(slot.host);
        PyMem_RawFree(slot.mark.identity);
        return PyErr_NoMemory();
    }
    return PyLong_FromLong(place);
}

static Slot *slot_of(Intake *self, int place)
{
    if (place >= 0 && place < self->count && self->slots[place].writer != NULL)
        return &self->slots[place];
    PyErr_Format(PyExc_ValueError, "no slot %d", place);
    return NULL;
}

static PyObject *forget(Intake *self, PyObject *number)
{
    int place = PyLong_AsLong(number);
    Slot *slot = PyErr_Occurred() ? NULL : slot_of(self, place);
    if (slot == NULL)
        return NULL;
    pthread_mutex_lock(&self->lock);
    Slot gone = *slot;
    memset(slot, 0, sizeof *slot);
    pthread_mutex_unlock(&self->lock);
    PyMem_RawFree(gone.mark.identity);
    PyMem_RawFree(gone.host);
    Py_DECREF(gone.writer);
    Py_RETURN_NONE;
}

/* hear(slot, host): from another host from now on. */
static PyObject *hear(Intake *self, PyObject *args)
{
    int place;
    const char *host;
    if (!PyArg_ParseTuple(args, "is", &place, &host))
        return NULL;
    Slot *slot = slot_of(self, place);
    char *name = slot == NULL ? NULL : PyMem_RawMalloc(strlen(host) + 1);
    if (name == NULL)
        return slot == NULL ? NULL : PyErr_NoMemory();
    pthread_mutex_lock(&self->lock);
    char *before = slot->host;
    slot->host = strcpy(name, host);
    pthread_mutex_unlock(&self->lock);
    PyMem_RawFree(before);
    Py_RETURN_NONE;
}

static PyObject *arm(Intake *self, PyObject *args)
{
    int place;
    unsigned long long generation, next;
    if (!PyArg_ParseTuple(args, "iKK", &place, &generation, &next))
        return NULL;
    Slot *slot = slot_of(self, place);
    if (slot == NULL)
        return NULL;
    pthread_mutex_lock(&self->lock);
    slot->generation = generation;
    slot->next = next;
    slot->armed = 1;
    pthread_mutex_unlock(&self->lock);
    Py_RETURN_NONE;
}

static PyObject *disarm(Intake *self, PyObject *number)
{
    int place = PyLong_AsLong(number);
    Slot *slot = PyErr_Occurred() ? NULL : slot_of(self, place);
    if (slot == NULL)
        return NULL;
    pthread_mutex_lock(&self->lock);
    slot->armed = 0;
    pthread_mutex_unlock(&self->lock);
    Py_RETURN_NONE;
}

/* Whether these are the very samples that this slot waits for, and from where they may come. */
static int is_next(const Slot *slot, const Header *header, const char *frame, size_t size, const char *host)
{
    if (!slot->armed || memcmp(header->lead, slot->mark.lead, sizeof header->lead)
        || size < sizeof *header + slot->mark.length
        || memcmp(frame + sizeof *header, slot->mark.identity, slot->mark.length))
        return 0;
    if (slot->host != NULL && (host == NULL || strcmp(host, slot->host)))
        return 0;
    return header->generation == slot->generation && !header->skipped && header->first == slot->next && header->count > 0
        && header->count <= MOST_SAMPLES
        && size == sizeof *header + slot->mark.length + header->count * (sizeof(double) + slot->writer->row_bytes);
}

/* The slot into whose ring these samples went, or LEFT. */
static int take_in(Intake *self, Message *message)
{
    size_t size = zmq.size(message);
    const char *frame = zmq.data(message);
    Header header;
    if (size < sizeof header || zmq.more(message))
        return LEFT;
    memcpy(&header, frame, sizeof header);
    const char *host = zmq.gets(message, "User-Id");
    int place = LEFT;
    pthread_mutex_lock(&self->lock);
    for (int i = 0; i < self->count; i++) {
        Slot *slot = &self->slots[i];
        if (!is_next(slot, &header, frame, size, host))
            continue;
        const char *stamps = frame + sizeof header + slot->mark.length;
        const char *rows = stamps + header.count * sizeof(double);
        if (writer_put_quietly(slot->writer, rows, header.count, (const double *)stamps, header.origin)) {
            slot->next += header.count;
            self->samples = header.count;
            place = i;
        }
        break;
    }
    pthread_mutex_unlock(&self->lock);
    return place;
}

/* Keep what Python wants to know of a message: who sent it, and, where it was not taken in, what it says. */
static int keep(Intake *self, Message *peer, Message *message, int place)
{
    Py_XSETREF(self->peer, PyBytes_FromStringAndSize(zmq.data(peer), zmq.size(peer)));
    if (self->peer == NULL || place != LEFT)
        return self->peer == NULL ? -1 : 0;
    const char *host = zmq.gets(message, "User-Id");
    Py_XSETREF(self->host, host == NULL ? Py_NewRef(Py_None) : PyUnicode_DecodeUTF8(host, strlen(host), "replace"));
    Py_XSETREF(self->frame, PyBytes_FromStringAndSize(zmq.data(message), zmq.size(message)));
    self->more = zmq.more(message) != 0;
    return self->host == NULL || self->frame == NULL ? -1 : 0;
}

/* receive(milliseconds): the slot into whose ring the next message went; or that there was none in time, that somebody
 * is at the door, or that the message is left to Python, which receives the rest of it where there is `more`.
 */
static PyObject *receive(Intake *self, PyObject *number)
{
    long milliseconds = PyLong_AsLong(number);
    if (milliseconds == -1 && PyErr_Occurred())
        return NULL;
    Item items[] = {{self->router, 0, READABLE, 0}, {self->door, 0, READABLE, 0}};
    Message peer, message;
    int place = NOTHING, error = 0, came = 0;
    Py_BEGIN_ALLOW_THREADS
    if (zmq.poll(items, 2, milliseconds) < 0) {
        error = zmq.error();
    } else if (items[1].revents) {
        place = DOOR;
    } else if (items[0].revents) {
        zmq.init(&peer);
        zmq.init(&message);
        came = 1;
        if (zmq.receive(&peer, self->router, DONT_WAIT) < 0)
            error = zmq.error();
        else if (zmq.more(&peer) && zmq.receive(&message, self->router, DONT_WAIT) >= 0)
            place = take_in(self, &message);
    }
    Py_END_ALLOW_THREADS
    int failed = came && place != NOTHING && keep(self, &peer, &message, place);
    if (came) {
        zmq.close(&peer);
        zmq.close(&message);
    }
    if (failed)
        return NULL;
    if (error && error != EINTR && error != EAGAIN) {
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return PyLong_FromLong(place);
}

static void intake_dealloc(Intake *self)
{
    for (int i = 0; i < self->count; i++) {
        PyMem_RawFree(self->slots[i].mark.identity);
        PyMem_RawFree(self->slots[i].host);
        Py_XDECREF(self->slots[i].writer);
    }
    PyMem_RawFree(self->slots);
    Py_CLEAR(self->peer);
    Py_CLEAR(self->host);
    Py_CLEAR(self->frame);
    pthread_mutex_destroy(&self->lock);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef intake_methods[] = {
    {"admit", (PyCFunction)admit, METH_VARARGS, "One more stream; its slot, not armed yet."},
    {"hear", (PyCFunction)hear, METH_VARARGS, "Only this host may send it from now on."},
    {"forget", (PyCFunction)forget, METH_O, "Take nothing into this slot's ring any more, which is its writer's again."},
    {"arm", (PyCFunction)arm, METH_VARARGS, "Take in what goes on here, of this generation and from this sample on."},
    {"disarm", (PyCFunction)disarm, METH_O, "Leave all that comes for this slot to Python."},
    {"receive", (PyCFunction)receive, METH_O, "The slot that the next message went into, or what else happened."},
    {NULL},
};

static PyMemberDef intake_members[] = {
    {"samples", T_LONGLONG, offsetof(Intake, samples), READONLY, "How many went into the slot."},
    {"peer", T_OBJECT, offsetof(Intake, peer), READONLY, "Where the message came from."},
    {"host", T_OBJECT, offsetof(Intake, host), READONLY, "Whose key its sender has, of a message that was left."},
    {"frame", T_OBJECT, offsetof(Intake, frame), READONLY, "The first of its frames."},
    {"more", T_BOOL, offsetof(Intake, more), READONLY, "Whether it has more of them."},
    {NULL},
};

PyTypeObject IntakeType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.Intake",
    .tp_basicsize = sizeof(Intake),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "What Receiver does for each small chunk.",
    .tp_dealloc = (destructor)intake_dealloc,
    .tp_methods = intake_methods,
    .tp_members = intake_members,
    .tp_new = intake_new,
};
