// Any bytes as a query or as an id in an address: what is read of a query is whole or refused, what was encoded decodes
// to itself, and no spelling of an address of a stored file hides the file.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "google_name.h"
#include "loom/base/json.h"
#include "loom/llm/models.h"
#include "loom/llm/realtime.h"
#include "loom/llm/resource.h"

using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

std::string encode(std::string_view text, bool all) {
    std::string out;
    for (const char c : text) {
        std::array<char, 4> escape;
        std::snprintf(escape.data(), escape.size(), "%%%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
        const bool plain = !all && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'));
        out += plain ? std::string(1, c) : std::string(escape.data());
    }
    return out;
}

void check_decoding(const std::string& text) {
    for (const bool all : {false, true}) {
        std::string out = "before";
        require(decode_path_id(encode(text, all), out) && out == "before" + text);
    }
    std::string out = "before";
    const bool good = decode_path_id(text, out);
    require(good ? out.size() <= 6 + text.size() : out == "before");
    require(good || text.find('%') != text.npos);
}

/// Pages of a list: each is JSON with no more models than were asked for, or an error that leaves nothing behind.
void check_pages(std::string_view query) {
    static const std::array<ModelEntry, 5> models{
        ModelEntry{.id = "a"}, {.id = "b/c"}, {.id = "\"q\""}, {.id = "d"}, {.id = "e", .is_embedding = true}};
    for (const Protocol protocol : {Protocol::openai_chat, Protocol::anthropic, Protocol::gemini}) {
        std::string out = "x";
        if (!write_models(out, protocol, query, models)) {
            require(out == "x");
            continue;
        }
        simdjson::dom::parser parser;
        simdjson::dom::object page;
        simdjson::dom::array list;
        require(parser.parse(simdjson::padded_string(std::string_view(out).substr(1))).get(page) == simdjson::SUCCESS);
        require(page[protocol == Protocol::gemini ? "models" : "data"].get(list) == simdjson::SUCCESS);
        require(list.size() <= models.size());
    }
}

void check_session(std::string_view query) {
    const RealtimeQuery once = read_realtime_query(query);
    const RealtimeQuery again = read_realtime_query("&" + std::string(query) + "&x=1");
    require(once.model == again.model && once.attaches == again.attaches && once.transcribes == again.transcribes);
    require((once.malformed == nullptr) == (again.malformed == nullptr));
}

void check_file(const std::string& text) {
    const std::string found = gemini_file_of(text);
    require(found.empty() || is_resource_id(found) || found == text);
    require(text.find("generativelanguage") == text.npos || !found.empty());
    if (is_resource_id(text)) {
        for (const std::string& id : {text, encode(text, false), encode(text, true)}) {
            require(gemini_file_of("https://generativelanguage.googleapis.com/v1beta/files/" + id) == text);
            require(gemini_file_of("files/" + id) == text);
        }
    }
    for (const auto kind : {ResourceKind::gemini_file, ResourceKind::cached_content}) {
        const std::string id = google_id(kind, text);
        require(id == text || is_resource_id(id));
        if (is_resource_id(text))
            require(google_id(kind, "projects/p/locations/l/" + std::string(name_prefix(kind)) + text) == text);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);  // its end is guarded
    check_decoding(text);
    check_pages(text);
    check_session(text);
    check_file(text);
    return 0;
}
