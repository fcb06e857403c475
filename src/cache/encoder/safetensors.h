// Tensors out of a safetensors file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace loom::cache {

/// Names and places; the bytes stay where they are and have to outlive this.
/// Source  https://huggingface.co/docs/safetensors/index#format
class Safetensors {
  public:
    /// Errors  a sentence.
    [[nodiscard]] static std::expected<Safetensors, std::string> read(std::string_view file);

    [[nodiscard]] bool has(const std::string& name) const { return tensors_.contains(name); }
    /// The values of a tensor that has to have this shape, row after row, as floats.
    /// Errors  a sentence that names the tensor.
    [[nodiscard]] std::expected<std::vector<float>, std::string> floats(const std::string& name,
                                                                        std::span<const size_t> shape) const;

    static constexpr size_t header_bytes_max = 16 * 1024 * 1024;
    static constexpr size_t dimensions_max = 8;

  private:
    enum class Type : uint8_t { f32, f16, bf16, other };
    struct Tensor {
        Type type = Type::other;
        std::vector<size_t> shape;
        std::string_view bytes;
    };
    std::unordered_map<std::string, Tensor> tensors_;
};

}  // namespace loom::cache
