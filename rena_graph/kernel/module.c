/* The kernel as a module of Python: its types and functions, and what it was made of. */
#include "core.h"

static PyMethodDef functions[] = {
    {"send", (PyCFunction)(void (*)(void))core_send, METH_FASTCALL, "Publish what is plain of a script's outputs."},
    {"use_zmq", core_use_zmq, METH_O, "Where ZMQ's functions are that links call."},
    {NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "rena_graph.kernel._core",
    .m_doc = "What costs a plain hop most, compiled; see rena_graph.kernel.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__core(void)
{
    PyTypeObject *types[] = {
        &WriterCoreType, &ReaderCoreType, &WindowCoreType, &ViewCoreType, &PortCoreType, &FeedCoreType, &SleeperType,
        &TallyType, &CommitsType, &TurnType, &OutletType, &IntakeType,
    };
    if (core_names() || port_names() || feed_names() || turn_names() || turn_out_names())
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (PyModule_AddType(module, types[i])) {
            Py_DECREF(module);
            return NULL;
        }
    /* By what order of numbers the board and the ring's header are known here; Python compares it with its own. */
    PyObject *layout = Py_BuildValue(
        "(iiiii)(iiii)(iiiii)(iiiiiiiiiiii)(ii)", EPOCH, FLOOR, COMMITTED, CHUNKS, READERS, STREAM_PRODUCED, STREAM_CHUNKS,
        STREAM_BYTES, STREAM_LAST_TIMESTAMP, EDGE_POSITION, EDGE_LAST_TIMESTAMP, EDGE_DELIVERED, EDGE_HELD, EDGE_AWAY_NS,
        NODE_BEAT_NS, NODE_LOOP_STARTED_NS, NODE_LOOPS, NODE_SKIPPED, NODE_OVERRUNS, NODE_LOOP_NS, NODE_LOOP_NS_MAX, NODE_AGE,
        NODE_FIRST_LOOP_NS, NODE_LAST_LOOP_NS, NODE_OWN_NS, NODE_AHEAD, SCALARS, BUCKETS);
    if (layout == NULL || PyModule_AddObject(module, "LAYOUT", layout)
        || PyModule_AddStringConstant(module, "SOURCE", RENA_GRAPH_SOURCE)) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
