#include "activation.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

namespace loom::cache {
namespace {

constexpr size_t lanes = 16;  // partial sums, which may be added in any order

/// 2^n by the exponent's bits, times a polynomial of what is left, |rest| <= ln 2 / 2: 2 units of the last place.
/// Below -87 it is e^-87, above 88 e^88.
inline float exp_of(float x) noexcept {
    constexpr float round = 12582912.0F;       // 1.5 · 2^23: adding it leaves whole numbers
    x = std::min(88.0F, std::max(-87.0F, x));  // of what is no number, -87
    const float n = (x * 1.44269504F + round) - round;
    const float rest = (x - n * 0.693359375F) + n * 2.12194440e-4F;
    float p = 1.9875691500e-4F;
    p = p * rest + 1.3981999507e-3F;
    p = p * rest + 8.3334519073e-3F;
    p = p * rest + 4.1665795894e-2F;
    p = p * rest + 1.6666665459e-1F;
    p = p * rest + 5.0000001201e-1F;
    p = p * rest * rest + rest + 1.0F;
    const float scale = std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
    return p * scale;
}

/// Abramowitz and Stegun, 7.1.26: to 1.5e-7.
inline float erf_of(float x) noexcept {
    const float magnitude = std::fabs(x);
    const float t = 1.0F / (1.0F + 0.3275911F * magnitude);
    float p = 1.061405429F;
    p = p * t - 1.453152027F;
    p = p * t + 1.421413741F;
    p = p * t - 0.284496736F;
    p = p * t + 0.254829592F;
    return std::copysign(1.0F - p * t * exp_of(-magnitude * magnitude), x);
}

/// of(value) summed over a row.
template <class Of>
float sum(std::span<const float> row, Of of) noexcept {
    float parts[lanes] = {};
    size_t i = 0;
    for (; i + lanes <= row.size(); i += lanes)
        for (size_t lane = 0; lane < lanes; ++lane) parts[lane] += of(row[i + lane]);
    float total = 0;
    for (; i < row.size(); ++i) total += of(row[i]);
    for (const float part : parts) total += part;
    return total;
}

}  // namespace

void gelu(std::span<float> values) noexcept {
    constexpr float half_root = 0.70710678F;
    for (float& value : values) value = 0.5F * value * (1.0F + erf_of(value * half_root));
}

void softmax(std::span<float> row) noexcept {
    const float most = *std::ranges::max_element(row);
    for (float& value : row) value = exp_of(value - most);
    const float share = 1.0F / sum(row, [](float value) { return value; });
    for (float& value : row) value *= share;
}

void normalise_layer(std::span<float> row, std::span<const float> weight, std::span<const float> bias,
                     float epsilon) noexcept {
    const auto count = static_cast<float>(row.size());
    const float mean = sum(row, [](float value) { return value; }) / count;
    const float variance = sum(row, [mean](float value) { return (value - mean) * (value - mean); }) / count;
    const float scale = 1.0F / std::sqrt(variance + epsilon);
    for (size_t i = 0; i < row.size(); ++i) row[i] = (row[i] - mean) * scale * weight[i] + bias[i];
}

}  // namespace loom::cache
