#include "safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "loom/base/json.h"

namespace loom::cache {
namespace {

namespace ondemand = json::ondemand;

constexpr size_t length_bytes = 8;

/// IEEE 754 binary16.
float float_of_half(uint16_t half) noexcept {
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
    const uint32_t exponent = (half >> 10) & 0x1fU;
    const uint32_t fraction = half & 0x3ffU;
    if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | fraction << 13);
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
    const float small = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -small : small;
}

template <class Word>
Word word_at(std::string_view bytes, size_t index) noexcept {
    Word word;
    std::memcpy(&word, bytes.data() + index * sizeof(Word), sizeof(Word));
    return word;
}

std::unexpected<std::string> broken(std::string_view why) {
    return std::unexpected(fmt::format("model.safetensors: {}", why));
}

}  // namespace

std::expected<Safetensors, std::string> Safetensors::read(std::string_view file) {
    static_assert(std::endian::native == std::endian::little);
    if (file.size() < length_bytes) return broken("too short to be one");
    const auto header_bytes = word_at<uint64_t>(file, 0);
    if (header_bytes > header_bytes_max || header_bytes > file.size() - length_bytes)
        return broken("its header is longer than the file, or than 16 MiB");
    const std::string_view data = file.substr(length_bytes + header_bytes);
    const simdjson::padded_string header(file.substr(length_bytes, header_bytes));
    Safetensors all;
    size_t told_bytes = 0;
    ondemand::parser parser;
    ondemand::document document;
    ondemand::object object;
    if (parser.iterate(header).get(document) != simdjson::SUCCESS ||
        document.get_object().get(object) != simdjson::SUCCESS)
        return broken("its header is no JSON object");
    for (auto field : object) {
        std::string_view name;
        ondemand::object entry;
        if (field.unescaped_key().get(name) != simdjson::SUCCESS) return broken("its header is no JSON object");
        if (name == "__metadata__") continue;
        Tensor tensor;
        std::string kept_name(name);
        std::string_view type;
        ondemand::array shape;
        ondemand::array offsets;
        if (field.value().get_object().get(entry) != simdjson::SUCCESS ||
            entry["dtype"].get_string().get(type) != simdjson::SUCCESS)
            return broken(fmt::format("{} has no dtype", kept_name));
        tensor.type = type == "F32" ? Type::f32 : type == "F16" ? Type::f16 : type == "BF16" ? Type::bf16 : Type::other;
        if (entry["shape"].get_array().get(shape) != simdjson::SUCCESS)
            return broken(fmt::format("{} has no shape", kept_name));
        for (auto dimension : shape) {
            uint64_t size = 0;
            if (dimension.get_uint64().get(size) != simdjson::SUCCESS || tensor.shape.size() == dimensions_max)
                return broken(fmt::format("the shape of {} cannot be read", kept_name));
            tensor.shape.push_back(size);
        }
        uint64_t bounds[2] = {};
        size_t count = 0;
        if (entry["data_offsets"].get_array().get(offsets) != simdjson::SUCCESS)
            return broken(fmt::format("{} has no data_offsets", kept_name));
        for (auto offset : offsets)
            if (count == 2 || offset.get_uint64().get(bounds[count++]) != simdjson::SUCCESS)
                return broken(fmt::format("the data_offsets of {} cannot be read", kept_name));
        if (count != 2 || bounds[0] > bounds[1] || bounds[1] > data.size())
            return broken(fmt::format("{} lies outside of the file", kept_name));
        tensor.bytes = data.substr(bounds[0], bounds[1] - bounds[0]);
        told_bytes += tensor.bytes.size();  // each is at most the file, and a header holds few
        if (told_bytes > data.size()) return broken("its tensors lie over each other");
        all.tensors_.insert_or_assign(std::move(kept_name), std::move(tensor));
    }
    return all;
}

std::expected<std::vector<float>, std::string> Safetensors::floats(const std::string& name,
                                                                   std::span<const size_t> shape) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) return broken(fmt::format("{} is missing", name));
    const Tensor& tensor = found->second;
    if (!std::ranges::equal(tensor.shape, shape))
        return broken(
            fmt::format("{} has the shape {}, which config.json would have as {}", name, tensor.shape, shape));
    if (tensor.type == Type::other) return broken(fmt::format("{} is neither F32 nor F16 nor BF16", name));
    size_t count = 1;
    for (const size_t size : shape) count *= size;
    const size_t value_bytes = tensor.type == Type::f32 ? sizeof(float) : sizeof(uint16_t);
    if (tensor.bytes.size() / value_bytes != count || tensor.bytes.size() % value_bytes != 0)
        return broken(
            fmt::format("{} has {} bytes, and its shape says {}", name, tensor.bytes.size(), count * value_bytes));
    std::vector<float> values(count);
    for (size_t i = 0; i < count; ++i) {
        switch (tensor.type) {
            case Type::f32: values[i] = word_at<float>(tensor.bytes, i); break;
            case Type::f16: values[i] = float_of_half(word_at<uint16_t>(tensor.bytes, i)); break;
            default: values[i] = std::bit_cast<float>(static_cast<uint32_t>(word_at<uint16_t>(tensor.bytes, i)) << 16);
        }
    }
    return values;
}

}  // namespace loom::cache
