// Any bytes as what a guard outside of Loom answers. What is taken says one verdict, and its spans lie in the texts.
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/base/json.h"
#include "loom/guard/external.h"

using namespace loom;
using namespace loom::guard;

namespace {

constexpr std::array<uint32_t, 3> texts = {0, 20, 4000};

void require(bool good) {
    if (!good) std::abort();
}

void check_label(std::string_view label) {
    require(label.size() > 2 && label.size() <= ExternalReader::label_bytes_max);
    require(label.front() == '[' && label.back() == ']');
    for (const char c : label.substr(1, label.size() - 2)) require(c == '_' || (c >= 'A' && c <= 'Z'));
}

void check_reason(std::string_view reason) {
    require(reason.size() <= ExternalReader::reason_bytes_max);
    for (const char c : reason) require(c >= ' ' && c <= 'z' && c != '"' && c != '\\');
}

size_t count_of(const std::string& text, std::string_view name) {
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    require(parser.parse(simdjson::padded_string(text)).get(object) == simdjson::SUCCESS);
    size_t count = 0;
    for (const auto& [key, value] : object) count += key == name;
    return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static ExternalReader reader;
    static const ModerationTerms terms{.categories = {"hate"}, .thresholds = {{"violence", 0.5}}};
    const std::string text(reinterpret_cast<const char*>(data), size);  // its end is guarded
    if (const auto read = reader.read_webhook(text, texts)) {
        require(count_of(text, "verdict") == 1 && !is_failure(read->result));
        require((read->result == GuardResult::mask) == !read->spans.empty());
        require(read->spans.size() <= ExternalReader::spans_max);
        check_reason(read->reason);
        const ExternalSpan* before = nullptr;
        for (const ExternalSpan& one : read->spans) {
            require(one.text < texts.size() && one.begin < one.end && one.end <= texts[one.text]);
            require(before == nullptr || before->text < one.text ||
                    (before->text == one.text && before->end <= one.begin));
            check_label(one.label);
            before = &one;
        }
    } else {
        require(read.error().side == Side::upstream && read.error().what[0] != '\0');
    }
    for (const ModerationTerms& one : {ModerationTerms{}, terms})
        for (const size_t count : {size_t{1}, size_t{2}})
            if (const auto read = reader.read_moderations(text, count, one)) {
                require(count_of(text, "results") == 1 && read->spans.empty());
                require(read->result == GuardResult::allow || read->result == GuardResult::block);
                require(read->result == GuardResult::block || read->reason.empty());
                check_reason(read->reason);
            }
    check_label(external_label(text));
    return 0;
}
