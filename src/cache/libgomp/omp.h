// What FAISS's headers want of <omp.h>, as libgomp has it, which Debian's libfaiss is built on. GCC's own header is not
// for Clang to read, and Clang's belongs to another library whose locks are larger.
#pragma once

extern "C" {

// gcc/libgomp/omp.h.in with config/linux: OMP_LOCK_SIZE and OMP_LOCK_ALIGN are 4.
typedef struct {
    unsigned char x[4] __attribute__((aligned(4)));
} omp_lock_t;

void omp_init_lock(omp_lock_t* lock) noexcept;
void omp_destroy_lock(omp_lock_t* lock) noexcept;
void omp_set_num_threads(int count) noexcept;
}
