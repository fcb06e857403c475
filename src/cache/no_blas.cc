// FAISS's random.cc names a matrix product of BLAS in a function that HNSW never calls. No BLAS is linked for that:
// what Debian puts in its place may be OpenBLAS, whose threads begin before main() and take signals that are the main
// thread's, so that SIGTERM ends the process at once and SIGHUP too.
#include "loom/base/assert.h"

extern "C" int sgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
                      const float* alpha, const float* a, const int* lda, const float* b, const int* ldb,
                      const float* beta, float* c, const int* ldc);

int sgemm_(const char*, const char*, const int*, const int*, const int*, const float*, const float*, const int*,
           const float*, const int*, const float*, float*, const int*) {
    LOOM_ASSERT(!"no BLAS is linked");
    return 0;
}
