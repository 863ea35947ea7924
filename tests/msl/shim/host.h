// Where the kernels' threads run: one workgroup at a time, its threads as fibers that give way at barriers and in SIMD-groups.
#pragma once
#include <cstddef>

namespace host {

// What a thread is told of itself.
struct Thread {
    unsigned workgroup[3], local[3], size[3], grid[3], index, simd_size;
};

// A kernel as the table of kernels has it.
struct Kernel {
    const char* name;
    unsigned size[3];
    // Whether its threads wait for each other.
    bool waits;
    // Bytes of its variables in threadgroup memory, as wgpu-hal says them to Metal; 0 behind the last.
    const unsigned* shared;
    // Runs a thread: buffers by their index, threadgroup memory by the order of its variables.
    void (*run)(const Thread&, void* const* buffers, void* const* shared);
};
struct Part {
    const Kernel* kernels;
    unsigned count;
};

// All threads of the workgroup come here before one goes on.
void barrier();
// All threads of the SIMD-group come here; each takes the value of one of them.
void shuffle(const void* value, void* result, size_t bytes, unsigned from);
// The place of a thread in its SIMD-group.
unsigned lane();
// Ends the run of a plan with a message.
[[noreturn]] void fail(const char* what);

} // namespace host
