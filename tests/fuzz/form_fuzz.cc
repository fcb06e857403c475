// A form says the same however it is cut, and a field of it is what the reader of whole forms finds.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "loom/http/form_data.h"

namespace {

using loom::http::FormReader;

constexpr std::string_view type = "multipart/form-data; boundary=B0";

void require(bool holds) {
    if (!holds) __builtin_trap();
}

struct Part {
    FormReader::Part head;
    std::string data;
    friend bool operator==(const Part& a, const Part& b) {
        return a.head.name == b.head.name && a.head.is_file == b.head.is_file && a.head.encoded == b.head.encoded &&
               a.data == b.data;
    }
};
struct Form {
    std::vector<Part> parts;
    bool broken = false;
    bool ended = false;
    size_t consumed = 0;
    friend bool operator==(const Form&, const Form&) = default;
};

Form read(std::string_view bytes, size_t piece) {
    FormReader reader(type);
    Form form;
    for (size_t at = 0; at < bytes.size(); at += piece) {
        std::string_view rest = bytes.substr(at, piece);
        size_t idle = 0;
        while (!rest.empty()) {
            const auto step = reader.next(rest);
            if (!step) {
                form.broken = true;
                return form;
            }
            require(step->consumed <= rest.size());
            idle = step->consumed == 0 ? idle + 1 : 0;
            require(idle < 2);  // it ends
            form.consumed += step->consumed;
            rest.remove_prefix(step->consumed);
            if (step->event == FormReader::Event::head) form.parts.push_back({reader.part(), {}});
            if (step->event == FormReader::Event::data) form.parts.back().data += step->data;
        }
    }
    form.ended = reader.ended();
    return form;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const Form whole = read(bytes, bytes.size() + 1);
    require(read(bytes, 1) == whole);
    require(read(bytes, 1 + data[0] % 32) == whole);
    if (!whole.ended) return 0;
    for (const Part& part : whole.parts) {
        if (part.head.is_file || part.head.name.empty()) continue;
        const auto found = loom::http::find_form_field(type, bytes, part.head.name);
        require(found.state == loom::http::FormField::State::found);
        for (const Part& first : whole.parts) {  // it finds the first of a name
            if (first.head.is_file || first.head.name != part.head.name) continue;
            require(found.value == first.data);
            break;
        }
    }
    return 0;
}
