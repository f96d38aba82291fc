// An OpenCL driver for a loader that misbehaves in one way, named by its file: libdriver-MODE.so. The tests of the
// command compile it and put copies of it into a folder of drivers.
//
// Modes of its own device, which is no device at all:
//   platform-name    the platform does not say its name
//   device-ids       asking for devices fails for lack of host memory
//   device-ids-1001  … with the loader's own status
//   device-ids-9999  … with a status that nobody knows
//   many-devices     there are 4 billion devices
//   not-found        there is no device
//   no-devices       there are none, and that is no failure
//   version-1.1      OpenCL 1.1, without what 1.2 brought
//   no-driver        the version of the driver cannot be asked for
//   long-name        the name has 2⁴⁰ bytes
//   no-units         there are no compute units
//   unavailable      the device says that it is not available
//   no-context       contexts cannot be made
//   no-queue         a context is made, a queue is not
//   load-crashes     loading the library dies of a bad address
//   platforms-exits  asking for its platform ends the process with exit code 9, after a line on standard error
//   platforms-hangs  … never returns
//   device-ids-aborts    asking for devices aborts
//   device-info-crashes  asking a device for its driver dies of a bad address
//
// Modes of the driver that LEGRAD_TEST_DRIVER names, whose calls are changed:
//   gpu              its device says that it is a GPU
//   all-types        … that it is all there is
//   build-exits      … and building a program ends the process with exit code 8, after a line on standard error
//   build-aborts     … aborts
//   build-crashes    … dies of a bad address
//   build-hangs      … never returns
//   build-refused    … fails, with the reason on standard error alone
//   late-exits       only a program of heads, which no trial builds, ends the process
//   cpu-exits        only a program with vectors of 16 floats ends the process
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

// Where calls are in the loader's table, and what they answer, as the specification numbers them.
enum { GET_PLATFORM_IDS, GET_PLATFORM_INFO, GET_DEVICE_IDS, GET_DEVICE_INFO, CREATE_CONTEXT };
enum { RELEASE_CONTEXT = 7, CREATE_QUEUE = 9, BUILD_PROGRAM = 30, CALLS = 256 };
enum { NOT_FOUND = -1, OUT_OF_HOST_MEMORY = -6, BUILD_FAILURE = -11, INVALID_VALUE = -30, INVALID_OPERATION = -59 };

typedef int32_t (*build_program_call)(void *, uint32_t, void *const *, const char *, void *, void *);
typedef int32_t (*device_info_call)(void *, uint32_t, size_t, void *, size_t *);

struct object {
  void **table;
};

static void *own_table[CALLS];
static struct object own_platform = {own_table}, own_device = {own_table}, own_context = {own_table};
static char mode[64];
static device_info_call real_device_info;
static build_program_call real_build_program;

static void crash(void) { *(volatile int *)8 = 1; }

static int is(const char *name) { return strcmp(mode, name) == 0; }

static int32_t give(const void *value, size_t bytes, size_t room, void *into, size_t *needed) {
  if (needed) *needed = bytes;
  if (!into) return 0;
  if (room < bytes) return INVALID_VALUE;
  memcpy(into, value, bytes);
  return 0;
}

static int32_t give_text(const char *text, size_t room, void *into, size_t *needed) {
  return give(text, strlen(text) + 1, room, into, needed);
}

static int32_t give_number(uint64_t number, size_t bytes, size_t room, void *into, size_t *needed) {
  return give(&number, bytes, room, into, needed);
}

// The device that is none.

static int32_t platform_info(void *platform, uint32_t name, size_t room, void *into, size_t *needed) {
  (void)platform;
  switch (name) {
    case 0x900: return give_text("FULL_PROFILE", room, into, needed);
    case 0x901: return give_text("OpenCL 1.2 faulty", room, into, needed);
    case 0x902:
      return is("platform-name") ? OUT_OF_HOST_MEMORY : give_text("Faulty Platform", room, into, needed);
    case 0x903: return give_text("Nobody", room, into, needed);
    case 0x904: return give_text("cl_khr_icd", room, into, needed);
    case 0x920: return give_text("FAULTY", room, into, needed);
    default: return INVALID_VALUE;
  }
}

static int32_t device_ids(void *platform, uint64_t type, uint32_t room, void **devices, uint32_t *count) {
  (void)platform;
  (void)type;
  if (is("device-ids-aborts")) abort();
  if (is("device-ids")) return OUT_OF_HOST_MEMORY;
  if (is("device-ids-1001")) return -1001;
  if (is("device-ids-9999")) return -9999;
  if (is("not-found")) return NOT_FOUND;
  if (count) *count = is("no-devices") ? 0 : is("many-devices") ? UINT32_MAX : 1;
  if (devices && room > 0) devices[0] = &own_device;
  return 0;
}

static int32_t device_info(void *device, uint32_t name, size_t room, void *into, size_t *needed) {
  (void)device;
  int is_old = is("version-1.1");
  switch (name) {
    case 0x1000: return give_number(4, 8, room, into, needed);
    case 0x1002: return give_number(is("no-units") ? 0 : 8, 4, room, into, needed);
    case 0x1004: return give_number(256, sizeof(size_t), room, into, needed);
    case 0x1010: return give_number(1u << 30, 8, room, into, needed);
    case 0x101F: return give_number(4ull << 30, 8, room, into, needed);
    case 0x1023: return give_number(1u << 15, 8, room, into, needed);
    case 0x1027: return give_number(!is("unavailable"), 4, room, into, needed);
    case 0x1028: return give_number(1, 4, room, into, needed);
    case 0x102B:
      if (is("long-name")) {
        if (needed) *needed = (size_t)1 << 40;
        return 0;
      }
      return give_text("Faulty GPU", room, into, needed);
    case 0x102C: return give_text("Nobody", room, into, needed);
    case 0x102D:
      if (is("device-info-crashes")) crash();
      return is("no-driver") ? INVALID_VALUE : give_text("1.0", room, into, needed);
    case 0x102F: return give_text(is_old ? "OpenCL 1.1 faulty" : "OpenCL 1.2 faulty", room, into, needed);
    case 0x1030: return give_text("", room, into, needed);
    case 0x1032: return is_old ? INVALID_VALUE : give_number(0, 8, room, into, needed);
    case 0x103A: return give_number(1, 4, room, into, needed);
    default: return INVALID_VALUE;
  }
}

static void *create_context(
    const void *properties, uint32_t count, void *const *devices, void *callback, void *data, int32_t *status) {
  (void)properties, (void)count, (void)devices, (void)callback, (void)data;
  int works = is("no-queue");
  if (status) *status = works ? 0 : OUT_OF_HOST_MEMORY;
  return works ? &own_context : NULL;
}

static int32_t release_context(void *context) {
  (void)context;
  return 0;
}

static void *create_queue(void *context, void *device, uint64_t properties, int32_t *status) {
  (void)context, (void)device, (void)properties;
  if (status) *status = OUT_OF_HOST_MEMORY;
  return NULL;
}

static int32_t refuse(void) { return INVALID_OPERATION; }

// The device of another driver.

static int32_t changed_device_info(void *device, uint32_t name, size_t room, void *into, size_t *needed) {
  int32_t status = real_device_info(device, name, room, into, needed);
  if (status == 0 && name == 0x1000 && into) *(uint64_t *)into = is("all-types") ? 15 : 4;
  return status;
}

static int32_t changed_build_program(
    void *program, uint32_t count, void *const *devices, const char *options, void *callback, void *data) {
  int has_vectors = options && strstr(options, "LANES=16");
  int has_heads = options && strstr(options, "HEAD_WIDTH");
  if (is("build-exits") || (is("cpu-exits") && has_vectors) || (is("late-exits") && has_heads)) {
    fputs("InvalidFunctionCall: Unexpected intrinsic\n", stderr);
    exit(8);
  }
  if (is("build-aborts")) abort();
  if (is("build-crashes")) crash();
  if (is("build-hangs"))
    for (;;) sleep(1000);
  if (is("build-refused")) {
    fputs("the linker is on strike\n", stderr);
    return BUILD_FAILURE;
  }
  return real_build_program(program, count, devices, options, callback, data);
}

// Objects point to their driver's table, so that changing it changes the device's calls.
static int32_t changed_platforms(uint32_t room, void **platforms, uint32_t *count) {
  const char *path = getenv("LEGRAD_TEST_DRIVER");
  void *driver = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  void *(*find)(const char *) = NULL;
  if (driver) *(void **)&find = dlsym(driver, "clGetExtensionFunctionAddress");
  int32_t (*ask)(uint32_t, void **, uint32_t *) = NULL;
  if (find) *(void **)&ask = find("clIcdGetPlatformIDsKHR");
  struct object *platform = NULL;
  if (!ask || ask(1, (void **)&platform, NULL) != 0 || !platform) return -1001;
  if (!real_device_info) {
    *(void **)&real_device_info = platform->table[GET_DEVICE_INFO];
    *(void **)&real_build_program = platform->table[BUILD_PROGRAM];
    platform->table[GET_DEVICE_INFO] = (void *)changed_device_info;
    platform->table[BUILD_PROGRAM] = (void *)changed_build_program;
  }
  if (count) *count = 1;
  if (platforms && room > 0) platforms[0] = platform;
  return 0;
}

static int changes_another(void) {
  return is("gpu") || is("all-types") || is("cpu-exits") || is("late-exits") || strncmp(mode, "build-", 6) == 0;
}

EXPORT int32_t clIcdGetPlatformIDsKHR(uint32_t room, void **platforms, uint32_t *count) {
  if (is("platforms-exits")) {
    fputs("no licence\n", stderr);
    exit(9);
  }
  if (is("platforms-hangs"))
    for (;;) sleep(1000);
  if (changes_another()) return changed_platforms(room, platforms, count);
  if (count) *count = 1;
  if (platforms && room > 0) platforms[0] = &own_platform;
  return 0;
}

// The loader asks for this one before it has a table.
EXPORT int32_t clGetPlatformInfo(void *platform, uint32_t name, size_t room, void *into, size_t *needed) {
  if (!changes_another()) return platform_info(platform, name, room, into, needed);
  int32_t (*ask)(void *, uint32_t, size_t, void *, size_t *);
  *(void **)&ask = ((struct object *)platform)->table[GET_PLATFORM_INFO];
  return ask(platform, name, room, into, needed);
}

EXPORT void *clGetExtensionFunctionAddress(const char *name) {
  return strcmp(name, "clIcdGetPlatformIDsKHR") == 0 ? (void *)clIcdGetPlatformIDsKHR : NULL;
}

__attribute__((constructor)) static void start(void) {
  Dl_info self;
  const char *name = dladdr((void *)start, &self) ? strrchr(self.dli_fname, '/') : NULL;
  if (name) sscanf(name, "/libdriver-%63s", mode);
  char *end = strstr(mode, ".so");
  if (end) *end = 0;
  if (is("load-crashes")) crash();
  for (int i = 0; i < CALLS; i++) own_table[i] = (void *)refuse;
  own_table[GET_PLATFORM_IDS] = (void *)clIcdGetPlatformIDsKHR;
  own_table[GET_PLATFORM_INFO] = (void *)clGetPlatformInfo;
  own_table[GET_DEVICE_IDS] = (void *)device_ids;
  own_table[GET_DEVICE_INFO] = (void *)device_info;
  own_table[CREATE_CONTEXT] = (void *)create_context;
  own_table[RELEASE_CONTEXT] = (void *)release_context;
  own_table[CREATE_QUEUE] = (void *)create_queue;
}
