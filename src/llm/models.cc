#include "loom/llm/models.h"

#include <charconv>

#include "loom/llm/json_text.h"

namespace loom::llm {

void write_model(std::string& out, const ModelEntry& model) {
    out += R"({"id":)";
    quote(model.id, out);
    out += R"(,"object":"model","created":)";
    char digits[24];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, model.created).ptr);
    out += R"(,"owned_by":)";
    quote(model.owned_by, out);
    out += '}';
}

void write_models(std::string& out, std::span<const ModelEntry> models) {
    out += R"({"object":"list","data":[)";
    for (const ModelEntry& model : models) {
        if (&model != models.data()) out += ',';
        write_model(out, model);
    }
    out += "]}";
}

bool decode_path_id(std::string_view encoded, std::string& out) {
    const size_t before = out.size();
    for (size_t at = 0; at < encoded.size(); ++at) {
        if (encoded[at] != '%') {
            out += encoded[at];
            continue;
        }
        uint8_t byte = 0;
        const char* digits = encoded.data() + at + 1;
        const bool whole = at + 2 < encoded.size();
        if (!whole || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) {
            out.resize(before);
            return false;
        }
        out += static_cast<char>(byte);
        at += 2;
    }
    return true;
}

}  // namespace loom::llm
