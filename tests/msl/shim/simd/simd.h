// What the kernels use of it is in metal_stdlib.
#include <metal_stdlib>
