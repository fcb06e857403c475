#include "matrix.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace loom::cache {
namespace {

constexpr size_t width = PackedMatrix::panel_width;

#if defined(__clang__)
#define LOOM_INLINE inline __attribute__((always_inline))
#else
#define LOOM_INLINE inline __attribute__((always_inline, artificial))
#endif

/// One panel, and as many rows as there are registers for their sums. Inlined into a function for each instruction set,
/// which says what a Vector is to the machine.
template <class Vector, size_t rows>
LOOM_INLINE void multiply_block(const float* panel, size_t depth, const float* x, size_t x_stride, const float* bias,
                                float* y, size_t y_stride, size_t columns) noexcept {
    constexpr size_t lanes = sizeof(Vector) / sizeof(float);
    constexpr size_t vectors = width / lanes;
    Vector sums[rows][vectors];
    for (size_t r = 0; r < rows; ++r) std::memcpy(sums[r], bias, sizeof sums[r]);
    for (size_t k = 0; k < depth; ++k, panel += width) {
        Vector weights[vectors];
        std::memcpy(weights, panel, sizeof weights);
        for (size_t r = 0; r < rows; ++r) {
            const float value = x[r * x_stride + k];
            for (size_t v = 0; v < vectors; ++v) sums[r][v] += value * weights[v];
        }
    }
    for (size_t r = 0; r < rows; ++r) std::memcpy(y + r * y_stride, sums[r], columns * sizeof(float));
}

/// As many rows at once as are said, then what is left by the next smaller numbers.
template <class Vector, size_t rows, size_t... fewer>
LOOM_INLINE void multiply_panel(const float* panel, size_t depth, const float* bias, size_t column, size_t columns,
                                const Product& product, size_t row) noexcept {
    for (; row + rows <= product.count; row += rows)
        multiply_block<Vector, rows>(panel, depth, product.x + row * product.x_stride, product.x_stride, bias,
                                     product.y + row * product.y_stride + column, product.y_stride, columns);
    if constexpr (sizeof...(fewer) > 0)
        multiply_panel<Vector, fewer...>(panel, depth, bias, column, columns, product, row);
}

template <class Vector, size_t... rows>
LOOM_INLINE void multiply_all(const PackedMatrix& matrix, const Product& product) noexcept {
    for (size_t column = 0; column < matrix.columns(); column += width) {
        const size_t columns = std::min(width, matrix.columns() - column);
        alignas(64) std::array<float, width> bias{};
        if (product.bias != nullptr) std::copy_n(product.bias + column, columns, bias.begin());
        multiply_panel<Vector, rows...>(matrix.panel(column), matrix.rows(), bias.data(), column, columns, product, 0);
    }
}

using Four = float __attribute__((vector_size(16)));

void multiply_by_four(const PackedMatrix& matrix, const Product& product) { multiply_all<Four, 1>(matrix, product); }

#if defined(__x86_64__)
using Eight = float __attribute__((vector_size(32)));
using Sixteen = float __attribute__((vector_size(64)));

__attribute__((target("avx2,fma"))) void multiply_by_eight(const PackedMatrix& matrix, const Product& product) {
    multiply_all<Eight, 3, 1>(matrix, product);
}
__attribute__((target("avx512f,fma"))) void multiply_by_sixteen(const PackedMatrix& matrix, const Product& product) {
    multiply_all<Sixteen, 8, 4, 2, 1>(matrix, product);
}
#endif

struct Kernels {
    std::array<NamedKernel, 3> all{};
    size_t count = 0;

    Kernels() noexcept {
        all[count++] = {"128 bits", &multiply_by_four};
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            all[count++] = {"AVX2", &multiply_by_eight};
        if (__builtin_cpu_supports("avx512f")) all[count++] = {"AVX-512", &multiply_by_sixteen};
#endif
    }
};

const Kernels& kernels() noexcept {
    static const Kernels all;
    return all;
}

}  // namespace

void PackedMatrix::set_size(size_t rows, size_t columns) {
    rows_ = rows;
    columns_ = columns;
    values_.assign(rows * ((columns + width - 1) / width * width), 0.0F);
}

void PackedMatrix::pack(const float* values, size_t rows, size_t columns, size_t stride) {
    set_size(rows, columns);
    for (size_t row = 0; row < rows; ++row)
        for (size_t column = 0; column < columns; ++column)
            values_[(column - column % width) * rows + row * width + column % width] = values[row * stride + column];
}

void PackedMatrix::pack_transposed(const float* values, size_t rows, size_t columns, size_t stride) {
    set_size(rows, columns);
    for (size_t column = 0; column < columns; ++column)
        for (size_t row = 0; row < rows; ++row)
            values_[(column - column % width) * rows + row * width + column % width] = values[column * stride + row];
}

std::span<const NamedKernel> multiply_kernels() noexcept { return {kernels().all.data(), kernels().count}; }

void multiply(const PackedMatrix& matrix, const Product& product) {
    kernels().all[kernels().count - 1].multiply(matrix, product);
}

}  // namespace loom::cache
