/* What both ends of a link between hosts share: ZMQ's functions, and the header of a small chunk's message.
 *
 * transport/crossing/small.py has the format; sender.py and receiver.py do the same, and all that is not ordinary.
 */
#ifndef RENA_GRAPH_LINK_H
#define RENA_GRAPH_LINK_H

#include "core.h"

typedef struct {
    _Alignas(8) unsigned char opaque[64];
} Message;

typedef struct {
    void *socket;
    int fd;
    short events, revents;
} Item;

/* Of the library that Python's zmq has loaded, which says where they are; a socket is used here by the one thread that uses
 * it there. */
typedef struct {
    int (*init)(Message *), (*init_size)(Message *, size_t), (*close)(Message *);
    void *(*data)(Message *);
    size_t (*size)(Message *);
    int (*more)(const Message *), (*send)(Message *, void *, int), (*receive)(Message *, void *, int);
    const char *(*gets)(const Message *, const char *);
    int (*poll)(Item *, int, long), (*error)(void);
} Zmq;
extern Zmq zmq;

enum { DONT_WAIT = 1, READABLE = 1 };

typedef struct {
    char lead[8]; /* prefix and the identity's length */
    uint64_t generation, skipped, first, count;
    double origin;
} Header;

/* What all messages of a stream have in common. */
typedef struct {
    char lead[8], *identity;
    size_t length;
} Mark;

int mark_init(Mark *self, const Py_buffer *lead, const Py_buffer *identity);

#endif
