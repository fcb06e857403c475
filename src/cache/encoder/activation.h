// What stands between an encoder's matrices, row by row. Written without branches, so that compilers make vectors of
// it.
#pragma once

#include <span>

namespace loom::cache {

/// x · Φ(x), each by itself; Φ to 2e-7 of the exact one.
void gelu(std::span<float> values) noexcept;
/// e^x over the sum of all.
void softmax(std::span<float> row) noexcept;
/// To mean 0 and variance 1, then by weight and bias, which are as long as the row.
void normalise_layer(std::span<float> row, std::span<const float> weight, std::span<const float> bias,
                     float epsilon) noexcept;

}  // namespace loom::cache
