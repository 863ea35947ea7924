// Compiles HLSL with FXC and DXC, many texts a process: starting one under Wine costs a second.
//
//   compile.exe LIST SECONDS    each line of LIST: fxc|dxc PROFILE PATH
//
// Prints a line for each: accepted|refused, milliseconds of the processor, bytes of what was made, fxc|dxc, PROFILE, PATH, first error, between tabs.
// A text that takes longer than SECONDS is said to be `slow`, and the process ends with code 3: a compiler cannot be
// interrupted. The script goes on with the next line in a new one. The flags are those of wgpu-hal's DX12 back end.
#define COBJMACROS
#include <windows.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Both compilers give their results in objects whose table of methods begins with these.
typedef struct Blob Blob;
typedef struct {
  HRESULT(WINAPI *query)(Blob *, const GUID *, void **);
  ULONG(WINAPI *add_ref)(Blob *);
  ULONG(WINAPI *release)(Blob *);
  const char *(WINAPI *pointer)(Blob *);
  SIZE_T(WINAPI *size)(Blob *);
} BlobMethods;
struct Blob {
  const BlobMethods *methods;
};

// d3dcompiler.h
#define ENABLE_STRICTNESS (1 << 11)
typedef HRESULT(WINAPI *D3DCompile)(const void *, SIZE_T, const char *, const void *, void *, const char *, const char *,
                                    UINT, UINT, Blob **, Blob **);

// dxcapi.h
static const GUID DXC_COMPILER = {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const GUID COMPILER3 = {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const GUID RESULT = {0x58346cda, 0xdde7, 0x4497, {0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59}};
typedef HRESULT(WINAPI *DxcCreateInstance)(const GUID *, const GUID *, void **);
typedef struct {
  const void *pointer;
  SIZE_T size;
  UINT encoding;
} DxcBuffer;
typedef struct Result Result;
typedef struct {
  HRESULT(WINAPI *query)(Result *, const GUID *, void **);
  ULONG(WINAPI *add_ref)(Result *);
  ULONG(WINAPI *release)(Result *);
  HRESULT(WINAPI *status)(Result *, HRESULT *);
  HRESULT(WINAPI *result)(Result *, Blob **);
  HRESULT(WINAPI *errors)(Result *, Blob **);
} ResultMethods;
struct Result {
  const ResultMethods *methods;
};
typedef struct Compiler Compiler;
typedef struct {
  HRESULT(WINAPI *query)(Compiler *, const GUID *, void **);
  ULONG(WINAPI *add_ref)(Compiler *);
  ULONG(WINAPI *release)(Compiler *);
  HRESULT(WINAPI *compile)(Compiler *, const DxcBuffer *, const WCHAR **, UINT, void *, const GUID *, void **);
} CompilerMethods;
struct Compiler {
  const CompilerMethods *methods;
};

static D3DCompile fxc;
static Compiler *dxc;

// Milliseconds that the processor worked for this process: other work on the machine does not count.
static DWORD cpu_ms(void) {
  FILETIME created, ended, kernel, user;
  if (!GetProcessTimes(GetCurrentProcess(), &created, &ended, &kernel, &user)) return GetTickCount();
  ULONGLONG ticks = ((ULONGLONG)kernel.dwHighDateTime << 32 | kernel.dwLowDateTime) +
                    ((ULONGLONG)user.dwHighDateTime << 32 | user.dwLowDateTime);
  return (DWORD)(ticks / 10000);
}

// The text under way, for the thread that watches the time.
static volatile LONG number = 0;
static char label[1024];
static DWORD limit_ms;

static DWORD WINAPI watch(void *unused) {
  (void)unused;
  LONG seen = 0;
  DWORD since = cpu_ms();
  for (;;) {
    Sleep(100);
    if (number != seen) {
      seen = number;
      since = cpu_ms();
    } else if (cpu_ms() - since > limit_ms) {
      printf("slow\t%lu\t0\t%s\tnot compiled after %lu s\n", limit_ms, label, limit_ms / 1000);
      fflush(stdout);
      TerminateProcess(GetCurrentProcess(), 3);
    }
  }
  return 0;
}

static char *read_file(const char *path, SIZE_T *size) {
  FILE *file = fopen(path, "rb");
  if (!file) return NULL;
  fseek(file, 0, SEEK_END);
  *size = ftell(file);
  rewind(file);
  char *text = malloc(*size + 1);
  if (fread(text, 1, *size, file) != *size) *size = 0;
  text[*size] = 0;
  fclose(file);
  return text;
}

// The first line with an error in it; warnings come before errors.
static void first_error(Blob *messages, char *error, size_t room) {
  const char *at = messages ? messages->methods->pointer(messages) : "";
  if (!at) at = "";
  const char *found = strstr(at, "error");
  while (found && found > at && found[-1] != '\n') found--;
  snprintf(error, room, "%s", found ? found : at);
  error[strcspn(error, "\r\n")] = 0;
}

// The name of the entry point, which naga changes where HLSL has that word: the function behind the workgroup's size.
static void find_entry(const char *text, char *entry, size_t room) {
  const char *at = strstr(text, "[numthreads(");
  at = at ? strstr(at, "void ") : NULL;
  at = at ? at + 5 : "";
  snprintf(entry, room, "%.*s", (int)strcspn(at, "("), at);
}

static HRESULT compile_dxc(const char *text, SIZE_T size, const char *profile, const char *entry, Blob **code,
                           Blob **messages) {
  WCHAR wide_profile[32], wide_entry[128];
  MultiByteToWideChar(CP_UTF8, 0, profile, -1, wide_profile, 32);
  MultiByteToWideChar(CP_UTF8, 0, entry, -1, wide_entry, 128);
  const WCHAR *arguments[] = {L"-E", wide_entry, L"-T", wide_profile, L"-HV", L"2018", L"-no-warnings", L"-Ges",
                              L"-enable-16bit-types"};
  // wgpu gives the last where the device has f16, which it has from 6.2.
  UINT count = strcmp(profile, "cs_6_2") >= 0 ? 9 : 8;
  DxcBuffer source = {text, size, 65001};
  Result *result = NULL;
  HRESULT status = dxc->methods->compile(dxc, &source, arguments, count, NULL, &RESULT, (void **)&result);
  if (FAILED(status) || !result) return FAILED(status) ? status : E_FAIL;
  result->methods->status(result, &status);
  result->methods->errors(result, messages);
  if (SUCCEEDED(status)) result->methods->result(result, code);
  result->methods->release(result);
  return status;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "compile.exe LIST SECONDS\n");
    return 2;
  }
  HMODULE library = LoadLibraryA("d3dcompiler_47.dll");
  if (library) fxc = (D3DCompile)(void *)GetProcAddress(library, "D3DCompile");
  library = LoadLibraryA("dxcompiler.dll");
  DxcCreateInstance create =
      library ? (DxcCreateInstance)(void *)GetProcAddress(library, "DxcCreateInstance") : NULL;
  if (create) create(&DXC_COMPILER, &COMPILER3, (void **)&dxc);
  FILE *list = fopen(argv[1], "r");
  if (!list || !fxc || !dxc) {
    fprintf(stderr, "not there: %s%s%s\n", list ? "" : "LIST ", fxc ? "" : "d3dcompiler_47.dll ",
            dxc ? "" : "dxcompiler.dll");
    return 2;
  }
  limit_ms = atoi(argv[2]) * 1000;
  CreateThread(NULL, 0, watch, NULL, 0, NULL);
  char compiler[8], profile[16], entry[128], path[768];
  while (fscanf(list, "%7s %15s %767s", compiler, profile, path) == 3) {
    snprintf(label, sizeof label, "%s\t%s\t%s", compiler, profile, path);
    InterlockedIncrement(&number);
    SIZE_T size = 0;
    char *text = read_file(path, &size);
    if (!text) {
      printf("unread\t0\t0\t%s\tthe file cannot be read\n", label);
      continue;
    }
    find_entry(text, entry, sizeof entry);
    Blob *code = NULL, *messages = NULL;
    DWORD start = cpu_ms();
    HRESULT status = strcmp(compiler, "fxc") == 0
                         ? fxc(text, size, NULL, NULL, NULL, entry, profile, ENABLE_STRICTNESS, 0, &code, &messages)
                         : compile_dxc(text, size, profile, entry, &code, &messages);
    DWORD took = cpu_ms() - start;
    int accepted = SUCCEEDED(status) && code;
    char error[400] = "";
    if (!accepted) first_error(messages, error, sizeof error);
    printf("%s\t%lu\t%lu\t%s\t%s\n", accepted ? "accepted" : "refused", took,
           accepted ? (unsigned long)code->methods->size(code) : 0ul, label, error);
    fflush(stdout);
    if (code) code->methods->release(code);
    if (messages) messages->methods->release(messages);
    free(text);
  }
  fflush(stdout);
  // Wine tears down slowly and sometimes not at all.
  TerminateProcess(GetCurrentProcess(), 0);
}
