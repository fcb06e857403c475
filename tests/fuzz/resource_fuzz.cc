// What a request names is the same in a line of a batch's file, and that the same however the form that brings it is
// cut. A list from which nothing is taken says the same as before, and one without elements has none.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "batch_lines.h"

namespace {

using namespace loom;
using llm::ResourceKind;

constexpr std::string_view form_type = "multipart/form-data; boundary=B0";
constexpr uint64_t line_bytes_max = 1 << 16;

void require(bool holds) {
    if (!holds) __builtin_trap();
}

struct Lines {
    std::vector<llm::ResourceName> named;
    std::vector<uint64_t> lines;
    uint64_t fault_line = 0;
    proxy::BatchLines::Purpose purpose = proxy::BatchLines::Purpose::unknown;
    bool broken = false;
    size_t passing = 0;
    friend bool operator==(const Lines&, const Lines&) = default;
};

Lines read_form(llm::ResourceReader& reader, BlockPool& blocks, std::string_view form, size_t piece) {
    proxy::BatchLines batch(reader, blocks, form_type, line_bytes_max);
    Lines lines;
    for (size_t at = 0; at < form.size(); at += piece) {
        const auto passing = batch.read(form.substr(at, piece));
        lines.broken = !passing;
        if (lines.broken) break;
        lines.passing += *passing;
    }
    lines.purpose = batch.purpose();
    lines.fault_line = batch.fault() ? batch.fault()->line : 0;
    for (auto& [name, line] : batch.take_named()) {
        lines.named.push_back(std::move(name));
        lines.lines.push_back(line);
    }
    return lines;
}

void check_request(llm::ResourceReader& reader, std::string_view document) {
    const auto request = reader.read_request(document);
    const auto line = reader.read_batch_line("{\"body\":" + std::string(document) + "}");
    if (!request) return;
    require(request->named.size() <= llm::ResourceReader::names_max);
    require(line.has_value() && *line == request->named);
}

void check_list(llm::ResourceReader& reader, ResourceKind kind, std::string_view answer) {
    const auto list = reader.read_list(kind, answer);
    if (!list) return;
    require(list->elements.size() <= llm::ResourceReader::elements_max);
    for (const auto& element : list->elements)
        require(size_t{element.range.offset} + element.range.length <= answer.size());
    if (list->data_range.absent()) return;
    for (const bool kept : {true, false}) {
        std::string out;
        llm::write_list(answer, *list, std::vector<bool>(list->elements.size(), kept), out);
        const auto again = reader.read_list(kind, out);
        require(again.has_value() && again->elements.size() == (kept ? list->elements.size() : 0));
        for (size_t i = 0; i < again->elements.size(); ++i) require(again->elements[i].id == list->elements[i].id);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    llm::ResourceReader reader;
    check_request(reader, bytes);
    for (const auto kind : {ResourceKind::file, ResourceKind::batch, ResourceKind::response, ResourceKind::gemini_file,
                            ResourceKind::gemini_upload, ResourceKind::cached_content}) {
        (void)reader.read_made(kind, bytes);
        if (kind != ResourceKind::gemini_upload) check_list(reader, kind, bytes);
    }
    (void)reader.read_event(bytes);
    if (std::string out; reader.write_results_paths(bytes, out)) require(out.size() <= bytes.size());

    BlockPool blocks;
    std::string form = "--B0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n";
    form.append(bytes).append("\r\n--B0\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--B0--");
    const Lines whole = read_form(reader, blocks, form, form.size());
    require(read_form(reader, blocks, form, 1) == whole);
    require(read_form(reader, blocks, form, 1 + data[0] % 64) == whole);
    return 0;
}
