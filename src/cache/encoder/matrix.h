// Matrix products for an encoder's layers, over weights that are laid out for them once.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace loom::cache {

/// Columns beside each other in panels of panel_width, each panel's rows one after the other, so that a product reads
/// it from front to back.
class PackedMatrix {
  public:
    static constexpr size_t panel_width = 32;

    PackedMatrix() = default;
    /// rows × columns, by rows; a row begins stride behind the one before.
    void pack(const float* values, size_t rows, size_t columns, size_t stride);
    /// The same of its transpose: values has columns × rows.
    void pack_transposed(const float* values, size_t rows, size_t columns, size_t stride);

    [[nodiscard]] size_t rows() const noexcept { return rows_; }
    [[nodiscard]] size_t columns() const noexcept { return columns_; }
    [[nodiscard]] const float* panel(size_t first_column) const noexcept {
        return values_.data() + first_column * rows_;
    }

  private:
    void set_size(size_t rows, size_t columns);

    std::vector<float> values_;
    size_t rows_ = 0;
    size_t columns_ = 0;
};

/// x has `count` rows of matrix.rows() values, x_stride apart; y gets as many of matrix.columns(), y_stride apart.
struct Product {
    const float* x = nullptr;
    size_t x_stride = 0;
    size_t count = 0;
    float* y = nullptr;
    size_t y_stride = 0;
    const float* bias = nullptr;  // of matrix.columns(), which every row begins with; null: zeros
};

using MultiplyKernel = void (*)(const PackedMatrix& matrix, const Product& product);

struct NamedKernel {
    std::string_view name;
    MultiplyKernel multiply;
};
/// Those that this machine can run, the fastest last. They differ by rounding alone.
[[nodiscard]] std::span<const NamedKernel> multiply_kernels() noexcept;

/// y = x · matrix + bias, by the fastest.
void multiply(const PackedMatrix& matrix, const Product& product);

}  // namespace loom::cache
