/* Enough of TensorRT's libraries for its Python bindings to load and be looked at:
 * every factory returns nothing. */
#include <stddef.h>
#define FACTORY(name) void *name(void) { return NULL; }
FACTORY(createInferBuilder_INTERNAL)
FACTORY(createInferRefitter_INTERNAL)
FACTORY(createInferRuntime_INTERNAL)
FACTORY(createNvOnnxParserRefitter_INTERNAL)
FACTORY(createNvOnnxParser_INTERNAL)
FACTORY(getBuilderPluginRegistry)
FACTORY(getPluginRegistry)
int getNvOnnxParserVersion(void) { return MAJOR * 10000; }
int initLibNvInferPlugins(void) { return 0; }
