/* A libnvidia-ml.so.1 without a GPU: power is a step function of time, and everything that the
   library tells follows from it exactly. Time is virtual (fake_advance_ns) unless the environment
   says FAKE_NVML_CLOCK=real, which is for another process than the test's own.

   The names fake_* are for the test, through ctypes; all others are NVML's. Two boards, both named
   FAKE; each has one MIG device, whose board counters are not to be had, as on real ones. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OK = 0, UNINIT = 1, INVAL = 2, NOTSUP = 3, NOTFOUND = 6, INSUF = 7, LOST = 15 };
#define BOARDS 2
#define STEPS 65536
#define RULES 16

typedef struct { int64_t t; double w; } Step;
typedef struct { unsigned pid; unsigned long long bytes; } Held;
typedef struct {
  Step step[STEPS]; int steps;
  double temperature; unsigned sm_mhz, memory_mhz, limit_mw, mig;
  unsigned long long reasons, used, total; long long offset_mj;
  Held held[8]; unsigned holders;
} Board;
static Board board[BOARDS];
static int mig_device[BOARDS];
static struct { char name[64]; int code, after; } rule[RULES];
static int rules, inited, real_clock;
static int64_t virtual_ns, update_ns, window_ns;

static int64_t now(void) {
  if (!real_clock) return virtual_ns;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}
static int64_t tick(int64_t t) { return update_ns > 0 ? t / update_ns * update_ns : t; }
static double joules(const Board *b, int64_t t) {
  double sum = 0;
  for (int i = 0; i < b->steps && b->step[i].t < t; i++) {
    int64_t end = i + 1 < b->steps && b->step[i + 1].t < t ? b->step[i + 1].t : t;
    sum += b->step[i].w * (double)(end - b->step[i].t) * 1e-9;
  }
  return sum;
}
static double watts(const Board *b, int64_t t) {
  double w = 0;
  for (int i = 0; i < b->steps && b->step[i].t <= t; i++) w = b->step[i].w;
  return w;
}
static double averaged(const Board *b, int64_t window) {
  int64_t end = tick(now()), start = end - window < 0 ? 0 : end - window;
  if (window <= 0 || end <= start) return watts(b, end);
  return (joules(b, end) - joules(b, start)) / ((double)(end - start) * 1e-9);
}
static int fault(const char *name) {
  for (int i = 0; i < rules; i++)
    if (!strcmp(rule[i].name, name)) {
      if (rule[i].after > 0) { rule[i].after--; continue; }
      return rule[i].code;
    }
  return inited ? OK : UNINIT;
}

/* --- for the test ------------------------------------------------------------------------- */
void fake_reset(void) {
  memset(board, 0, sizeof board);
  for (int i = 0; i < BOARDS; i++)
    board[i] = (Board){.steps = 1, .step = {{0, 50}}, .temperature = 35, .sm_mhz = 1980,
                       .memory_mhz = 2619, .limit_mw = 700000, .used = 1ULL << 30,
                       .total = 80ULL << 30};
  rules = inited = 0;
  virtual_ns = window_ns = 0;
  update_ns = 100000000;
  const char *clock = getenv("FAKE_NVML_CLOCK");
  real_clock = clock && !strcmp(clock, "real");
}
__attribute__((constructor)) static void start(void) { fake_reset(); }
void fake_advance_ns(int64_t ns) { virtual_ns += ns; }
int64_t fake_now_ns(void) { return now(); }
void fake_update_ns(int64_t ns) { update_ns = ns; }
void fake_window_ns(int64_t ns) { window_ns = ns; }
void fake_power(int i, double w) {
  Board *b = &board[i];
  Step *last = &b->step[b->steps - 1];
  if (last->t == now()) last->w = w;
  else if (last->w != w && b->steps < STEPS) b->step[b->steps++] = (Step){now(), w};
}
void fake_temperature(int i, double celsius) { board[i].temperature = celsius; }
void fake_reasons(int i, unsigned long long bits) { board[i].reasons = bits; }
void fake_mig(int i, unsigned on) { board[i].mig = on; }
void fake_offset_mj(int i, long long mj) { board[i].offset_mj = mj; }
void fake_process(int i, unsigned pid, unsigned long long bytes) {
  board[i].held[board[i].holders++] = (Held){pid, bytes};
}
void fake_fail(const char *name, int code, int after) {
  strncpy(rule[rules].name, name, 63);
  rule[rules].code = code;
  rule[rules++].after = after;
}
double fake_joules_at(int i, int64_t ns) { return joules(&board[i], ns); }

/* --- NVML --------------------------------------------------------------------------------- */
#define ASK(name) do { int code_ = fault(#name); if (code_) return code_; } while (0)
#define BOARD(h) \
  Board *b = (Board *)(h); \
  if (b < board || b >= board + BOARDS) return NOTSUP

int nvmlInitWithFlags(unsigned flags) {
  (void)flags;
  int code = fault("nvmlInitWithFlags");
  if (code && code != UNINIT) return code;
  inited++;
  return OK;
}
int nvmlShutdown(void) { ASK(nvmlShutdown); inited--; return OK; }
const char *nvmlErrorString(int code) {
  return code == LOST ? "GPU is lost" : code == NOTSUP ? "Not Supported" : "Fake error";
}
int nvmlSystemGetDriverVersion(char *text, unsigned n) {
  ASK(nvmlSystemGetDriverVersion);
  return snprintf(text, n, "580.999.FAKE") < (int)n ? OK : INSUF;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **h) {
  ASK(nvmlDeviceGetHandleByUUID);
  for (int i = 0; i < BOARDS; i++) {
    char gpu[64], mig[64];
    snprintf(gpu, sizeof gpu, "GPU-fa6e0000-0000-0000-0000-00000000000%d", i);
    snprintf(mig, sizeof mig, "MIG-fa6e1111-0000-0000-0000-00000000000%d", i);
    if (!strcmp(uuid, gpu)) { *h = &board[i]; return OK; }
    if (!strcmp(uuid, mig) && board[i].mig) { *h = &mig_device[i]; return OK; }
  }
  return NOTFOUND;
}
int nvmlDeviceIsMigDeviceHandle(void *h, unsigned *is) {
  ASK(nvmlDeviceIsMigDeviceHandle);
  *is = (int *)h >= mig_device && (int *)h < mig_device + BOARDS;
  return OK;
}
int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *h, void **parent) {
  ASK(nvmlDeviceGetDeviceHandleFromMigDeviceHandle);
  *parent = &board[(int *)h - mig_device];
  return OK;
}
int nvmlDeviceGetMigMode(void *h, unsigned *current, unsigned *pending) {
  ASK(nvmlDeviceGetMigMode); BOARD(h);
  *current = *pending = b->mig;
  return OK;
}
int nvmlDeviceGetName(void *h, char *text, unsigned n) {
  ASK(nvmlDeviceGetName); BOARD(h);
  return snprintf(text, n, "FAKE GPU %d", (int)(b - board)) < (int)n ? OK : INSUF;
}
int nvmlDeviceGetUUID(void *h, char *text, unsigned n) {
  ASK(nvmlDeviceGetUUID); BOARD(h);
  int length = snprintf(text, n, "GPU-fa6e0000-0000-0000-0000-00000000000%d", (int)(b - board));
  return length < (int)n ? OK : INSUF;
}
static unsigned long long counter_mj(const Board *b) {
  return (unsigned long long)(b->offset_mj + llround(joules(b, tick(now())) * 1e3));
}
int nvmlDeviceGetTotalEnergyConsumption(void *h, unsigned long long *mj) {
  ASK(nvmlDeviceGetTotalEnergyConsumption); BOARD(h);
  *mj = counter_mj(b);
  return OK;
}
int nvmlDeviceGetPowerUsage(void *h, unsigned *mw) {
  ASK(nvmlDeviceGetPowerUsage); BOARD(h);
  *mw = (unsigned)lround(averaged(b, window_ns) * 1e3);
  return OK;
}
int nvmlDeviceGetTemperature(void *h, int sensor, unsigned *celsius) {
  (void)sensor;
  ASK(nvmlDeviceGetTemperature); BOARD(h);
  *celsius = (unsigned)b->temperature;
  return OK;
}
int nvmlDeviceGetClockInfo(void *h, int which, unsigned *mhz) {
  ASK(nvmlDeviceGetClockInfo); BOARD(h);
  *mhz = which == 2 ? b->memory_mhz : b->sm_mhz;
  return OK;
}
int nvmlDeviceGetCurrentClocksEventReasons(void *h, unsigned long long *bits) {
  ASK(nvmlDeviceGetCurrentClocksEventReasons); BOARD(h);
  *bits = b->reasons;
  return OK;
}
int nvmlDeviceGetCurrentClocksThrottleReasons(void *h, unsigned long long *bits) {
  ASK(nvmlDeviceGetCurrentClocksThrottleReasons); BOARD(h);
  *bits = b->reasons;
  return OK;
}
int nvmlDeviceGetEnforcedPowerLimit(void *h, unsigned *mw) {
  ASK(nvmlDeviceGetEnforcedPowerLimit); BOARD(h);
  *mw = b->limit_mw;
  return OK;
}
typedef struct { unsigned long long total, free, used; } Memory;
int nvmlDeviceGetMemoryInfo(void *h, Memory *m) {
  ASK(nvmlDeviceGetMemoryInfo); BOARD(h);
  *m = (Memory){b->total, b->total - b->used, b->used};
  return OK;
}
typedef struct { unsigned pid; unsigned long long bytes; unsigned gi, ci; } Process;
static int processes(const Board *b, unsigned *n, Process *into) {
  if (*n < b->holders) { *n = b->holders; return INSUF; }
  for (unsigned i = 0; i < b->holders; i++)
    into[i] = (Process){b->held[i].pid, b->held[i].bytes, 0xFFFFFFFF, 0xFFFFFFFF};
  *n = b->holders;
  return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(void *h, unsigned *n, Process *into) {
  ASK(nvmlDeviceGetComputeRunningProcesses_v3); BOARD(h);
  return processes(b, n, into);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(void *h, unsigned *n, Process *into) {
  (void)into;
  ASK(nvmlDeviceGetGraphicsRunningProcesses_v3); BOARD(h);
  *n = 0;
  return OK;
}
typedef union { double d; unsigned ui; unsigned long long ull; } Value;
typedef struct { unsigned id, scope; int64_t stamp, latency; int type, code; Value value; } Field;
int nvmlDeviceGetFieldValues(void *h, int n, Field *f) {
  ASK(nvmlDeviceGetFieldValues); BOARD(h);
  for (int i = 0; i < n; i++) {
    f[i].type = 1;
    f[i].code = OK;
    if (f[i].id == 186 && !(f[i].code = fault("field 186")))
      f[i].value.ui = (unsigned)lround(watts(b, tick(now())) * 1e3);
    else if (f[i].id == 185) f[i].value.ui = (unsigned)lround(averaged(b, 1000000000) * 1e3);
    else if (f[i].id != 186) f[i].code = NOTSUP;
  }
  return OK;
}
