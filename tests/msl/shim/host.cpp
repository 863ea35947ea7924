// Runs plans that come on standard input, one after the other, and writes what their buffers then hold.
#include "host.h"
#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

extern const host::Part* const parts[];
extern const unsigned part_count;

namespace host {

static const size_t STACK = 1 << 20;
static const unsigned CANARY = 0x7fc5c0de;
static const unsigned MOST_BYTES = 16;

enum State { READY, AT_BARRIER, IN_SIMD, DONE };

struct Fiber {
    ucontext_t first;
    jmp_buf place;
    bool begun = false;
    State state = DONE;
    Thread thread;
    // Where the values of its shuffles are for the others: two places, for the next shuffle of a fast fiber.
    unsigned char value[2][MOST_BYTES];
    unsigned turn;
};

static std::vector<Fiber*> fibers;
static Fiber* current;
static jmp_buf scheduler;
static const Kernel* running;
static void* const* bound;
static std::vector<void*> shared;
static unsigned simd_size = 32;
static bool backwards;
static std::string doing;

void fail(const char* what) {
    std::string message = doing + ": " + what;
    uint32_t head[2] = {1, uint32_t(message.size())};
    fwrite(head, sizeof head, 1, stdout);
    fwrite(message.data(), message.size(), 1, stdout);
    fflush(stdout);
    _exit(0);
}

static void give_way() {
    if (_setjmp(current->place) == 0) _longjmp(scheduler, 1);
}

// A fiber runs one thread after the other.
static void loop() {
    for (;;) {
        running->run(current->thread, bound, shared.data());
        current->state = DONE;
        give_way();
    }
}

static void go_on(Fiber* fiber) {
    current = fiber;
    if (_setjmp(scheduler) != 0) return;
    if (fiber->begun) _longjmp(fiber->place, 1);
    fiber->begun = true;
    setcontext(&fiber->first);
}

static Fiber* make() {
    Fiber* fiber = new Fiber;
    char* stack = static_cast<char*>(mmap(nullptr, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (stack == MAP_FAILED) fail("no memory for a stack");
    mprotect(stack, 4096, PROT_NONE);
    getcontext(&fiber->first);
    fiber->first.uc_stack.ss_sp = stack;
    fiber->first.uc_stack.ss_size = STACK;
    fiber->first.uc_link = nullptr;
    makecontext(&fiber->first, loop, 0);
    return fiber;
}

void barrier() {
    current->state = AT_BARRIER;
    give_way();
}

unsigned lane() { return current->thread.index % simd_size; }

void shuffle(const void* value, void* result, size_t bytes, unsigned from) {
    if (bytes > MOST_BYTES) fail("a shuffle of a value too large");
    unsigned turn = current->turn++ % 2;
    memcpy(current->value[turn], value, bytes);
    current->state = IN_SIMD;
    give_way();
    unsigned first = current->thread.index - lane();
    if (from >= simd_size || first + from >= running->size[0] * running->size[1] * running->size[2])
        fail("a shuffle from a thread that is not there");
    memcpy(result, fibers[first + from]->value[turn], bytes);
}

// Runs the threads until all are done: each as far as it comes, then those that all others have caught up with.
static void run_fibers(unsigned threads) {
    for (;;) {
        bool any = false;
        for (unsigned i = 0; i < threads; i++) {
            Fiber* fiber = fibers[backwards ? threads - 1 - i : i];
            if (fiber->state != READY) continue;
            any = true;
            go_on(fiber);
        }
        unsigned waiting = 0, done = 0;
        for (unsigned i = 0; i < threads; i++) {
            waiting += fibers[i]->state == AT_BARRIER;
            done += fibers[i]->state == DONE;
        }
        if (done == threads) return;
        if (waiting == threads) {
            for (unsigned i = 0; i < threads; i++) fibers[i]->state = READY;
            continue;
        }
        bool released = false;
        for (unsigned first = 0; first < threads; first += simd_size) {
            unsigned end = first + simd_size < threads ? first + simd_size : threads, inside = 0;
            for (unsigned i = first; i < end; i++) inside += fibers[i]->state == IN_SIMD;
            if (inside == end - first) {
                released = true;
                for (unsigned i = first; i < end; i++) fibers[i]->state = READY;
            }
        }
        if (!released) fail(done ? "some threads ended where others wait" : "threads wait at different places");
        if (!any) fail("no thread goes on");
    }
}

static void poison(const std::vector<std::vector<unsigned>>& memory) {
    for (auto& words : memory) {
        unsigned* w = const_cast<unsigned*>(words.data());
        for (size_t i = 0; i < words.size(); i++) w[i] = CANARY;
    }
}

static void dispatch(const Kernel& kernel, const unsigned grid[2], void* const* buffers) {
    running = &kernel;
    bound = buffers;
    doing = kernel.name;
    // Threadgroup memory is of the size that Metal is told, and canaries.
    std::vector<std::vector<unsigned>> memory;
    shared.clear();
    for (const unsigned* bytes = kernel.shared; *bytes; bytes++) memory.push_back(std::vector<unsigned>(*bytes / 4 + 64));
    for (auto& words : memory) shared.push_back(reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(words.data()) + 63) & ~uintptr_t(63)));
    unsigned threads = kernel.size[0] * kernel.size[1] * kernel.size[2];
    while (kernel.waits && fibers.size() < threads) fibers.push_back(make());
    size_t groups = size_t(grid[0]) * grid[1];
    for (size_t number = 0; number < groups; number++) {
        size_t group = backwards ? groups - 1 - number : number;
        poison(memory);
        Thread thread = {{unsigned(group % grid[0]), unsigned(group / grid[0]), 0}, {0, 0, 0},
            {kernel.size[0], kernel.size[1], kernel.size[2]}, {grid[0], grid[1], 1}, 0, simd_size};
        for (unsigned i = 0; i < threads; i++) {
            unsigned place = backwards ? threads - 1 - i : i;
            thread.index = place;
            thread.local[0] = place % kernel.size[0];
            thread.local[1] = place / kernel.size[0] % kernel.size[1];
            thread.local[2] = place / kernel.size[0] / kernel.size[1];
            if (!kernel.waits) {
                kernel.run(thread, buffers, shared.data());
                continue;
            }
            fibers[place]->thread = thread;
            fibers[place]->turn = 0;
            fibers[place]->state = READY;
        }
        if (kernel.waits) run_fibers(threads);
        for (size_t i = 0; i < memory.size(); i++) {
            const unsigned* first = static_cast<const unsigned*>(shared[i]);
            const unsigned* data_end = first + kernel.shared[i] / 4;
            for (const unsigned* w = memory[i].data(); w < memory[i].data() + memory[i].size(); w++)
                if ((w < first || w >= data_end) && *w != CANARY) fail("a write outside of a variable in threadgroup memory");
        }
    }
}

static void take(void* to, size_t bytes) {
    if (bytes && fread(to, bytes, 1, stdin) != 1) _exit(0);
}
template <class T> static T next() {
    T value;
    take(&value, sizeof value);
    return value;
}

static const Kernel& kernel_of(unsigned number) {
    for (unsigned part = 0; part < part_count; part++) {
        if (number < parts[part]->count) return parts[part]->kernels[number];
        number -= parts[part]->count;
    }
    fail("no kernel of this number");
}

static void run_plan() {
    backwards = next<uint32_t>();
    simd_size = next<uint32_t>();
    uint32_t seconds = next<uint32_t>();
    std::vector<unsigned char*> memory(next<uint32_t>());
    std::vector<uint64_t> sizes(memory.size());
    for (size_t i = 0; i < memory.size(); i++) {
        sizes[i] = next<uint64_t>();
        memory[i] = static_cast<unsigned char*>(aligned_alloc(256, (sizes[i] + 511) & ~uint64_t(255)));
        if (!memory[i]) fail("no memory for a buffer");
        take(memory[i], sizes[i]);
    }
    alarm(seconds);
    uint32_t steps = next<uint32_t>();
    for (uint32_t step = 0; step < steps; step++) {
        if (next<uint32_t>() == 0) {
            uint32_t from = next<uint32_t>(), to = next<uint32_t>();
            uint64_t bytes = next<uint64_t>();
            memcpy(memory[to], memory[from], bytes);
            continue;
        }
        const Kernel& kernel = kernel_of(next<uint32_t>());
        unsigned grid[2];
        take(grid, sizeof grid);
        void* buffers[32] = {};
        uint32_t bindings = next<uint32_t>();
        for (uint32_t slot = 0; slot < bindings; slot++) {
            uint32_t buffer = next<uint32_t>();
            buffers[slot] = memory[buffer] + next<uint64_t>();
        }
        uint32_t sized = next<uint32_t>();
        std::vector<uint32_t> lengths(sized);
        take(lengths.data(), 4 * sized);
        if (sized) buffers[next<uint32_t>()] = lengths.data();
        dispatch(kernel, grid, buffers);
    }
    alarm(0);
    uint32_t fine = 0;
    fwrite(&fine, sizeof fine, 1, stdout);
    for (size_t i = 0; i < memory.size(); i++) {
        fwrite(memory[i], 1, sizes[i], stdout);
        free(memory[i]);
    }
    fflush(stdout);
}

} // namespace host

int main() {
    for (;;) host::run_plan();
}
