/* A view of a ring's own memory (access: view): the ordinary way of ShownWindow, and of Feed when it shows. */
#include "core.h"

/* Where the window's samples begin once `count` more were taken at `position`; `count` of them become fewer where some
 * are hidden. -> the first sequence number, and how many there are. */
static unsigned long long span(const ViewCore *self, unsigned long long position, long long count, long long *length)
{
    unsigned long long end = position + count, first = end > (unsigned long long)self->window ? end - self->window : 0;
    if (first < self->reader->seen_from)
        first = self->reader->seen_from;
    if (first > end)
        first = end;
    *length = end - first;
    return first;
}

static long long hidden_of(const ViewCore *self, long long count, long long length)
{
    long long hidden = self->cleared - (self->end + count - length);
    return hidden < 0 ? 0 : hidden > length ? length : hidden;
}

/* Views of so many samples, from this sequence number on. */
static int make(ReaderCore *reader, unsigned long long first, Py_ssize_t count, PyObject **data, PyObject **stamps)
{
    Py_ssize_t slot = first % reader->capacity, stamp = first % reader->stamp_capacity;
    if ((*data = PySequence_GetSlice(reader->data.obj, slot, slot + count)) == NULL)
        return -1;
    if ((*stamps = PySequence_GetSlice(reader->stamps.obj, stamp, stamp + count)) == NULL) {
        Py_CLEAR(*data);
        return -1;
    }
    return 0;
}

/* Make now what the next loop is shown, if `count` samples come until then. */
int view_ahead(ViewCore *self, long long count)
{
    if (self->reader == NULL)
        return 0;
    long long length;
    unsigned long long first = span(self, self->reader->position, count, &length);
    long long hidden = hidden_of(self, count, length);
    PyObject *data, *stamps;
    if (make(self->reader, first + hidden, length - hidden, &data, &stamps))
        return -1;
    Py_XSETREF(self->ready_data, data);
    Py_XSETREF(self->ready_stamps, stamps);
    self->ready_first = first + hidden;
    self->ready_count = length - hidden;
    return 0;
}

/* Take all that is pending, and show what the ring holds then. */
int view_take(ViewCore *self, FeedCore *feed, Taken *taken)
{
    ReaderCore *reader = self->reader;
    long long count = reader_look(reader), length;
    if (count < 0 || count > self->window)
        return SLOWLY;
    unsigned long long position = reader->position;
    const double *times = reader->stamps.buf;
    if (count) {
        double newest = times[(position + count - 1) % reader->stamp_capacity];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (load(reader->words.buf, FLOOR) > position)
            return SLOWLY;
        reader_deliver(reader, count, newest);
    }
    unsigned long long first = span(self, position, count, &length), floor = load(reader->words.buf, FLOOR);
    if (floor > first) {
        first = floor < position + count ? floor : position + count;
        length = position + count - first;
    }
    feed->first_viewed = first;
    long long hidden = hidden_of(self, count, length);
    first += hidden;
    length -= hidden;
    PyObject *data, *stamps;
    if (self->ready_data != NULL && self->ready_first == first && self->ready_count == length) {
        data = self->ready_data;
        stamps = self->ready_stamps;
        self->ready_data = self->ready_stamps = NULL;
    } else if (make(reader, first, length, &data, &stamps)) {
        return -1;
    }
    Py_XSETREF(self->data, data);
    Py_XSETREF(self->stamps, stamps);
    self->end += count;
    self->fresh = count;
    self->version++;
    feed->newly_viewed = count;
    if (!count || !length)
        return 0;
    taken->first = position;
    taken->oldest = times[(first + length - (count < length ? count : length)) % reader->stamp_capacity];
    taken->newest = times[(first + length - 1) % reader->stamp_capacity];
    taken->origin = reader_origin(reader, position, taken->oldest);
    return 1;
}

Py_ssize_t view_new_count(const ViewCore *self)
{
    Py_ssize_t shown = PyObject_Length(self->data);
    return self->fresh < shown ? (Py_ssize_t)self->fresh : shown;
}

static void dealloc(ViewCore *self)
{
    Py_CLEAR(self->data);
    Py_CLEAR(self->stamps);
    Py_CLEAR(self->ready_data);
    Py_CLEAR(self->ready_stamps);
    Py_CLEAR(self->reader);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMemberDef members[] = {
    {"_cleared", T_LONGLONG, offsetof(ViewCore, cleared), 0, NULL},
    {"_data", T_OBJECT_EX, offsetof(ViewCore, data), 0, NULL},
    {"_end", T_LONGLONG, offsetof(ViewCore, end), 0, NULL},
    {"_new", T_LONGLONG, offsetof(ViewCore, fresh), 0, NULL},
    {"_stamps", T_OBJECT_EX, offsetof(ViewCore, stamps), 0, NULL},
    {"version", T_PYSSIZET, offsetof(ViewCore, version), 0, NULL},
    {"window", T_PYSSIZET, offsetof(ViewCore, window), 0, NULL},
    {NULL},
};

PyTypeObject ViewCoreType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rena_graph.kernel._core.ViewCore",
    .tp_basicsize = sizeof(ViewCore),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .tp_doc = "What ShownWindow does for each chunk.",
    .tp_dealloc = (destructor)dealloc,
    .tp_members = members,
    .tp_new = PyType_GenericNew,
};
