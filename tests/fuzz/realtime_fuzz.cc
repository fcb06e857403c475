// Any bytes as an event of a realtime session: what its front says is what the whole says, usage is read of events that
// report it alone, and the same again; cut anywhere, the front tells less, and nothing else.
#include <cstdlib>
#include <string>
#include <string_view>

#include "loom/base/json.h"
#include "loom/llm/realtime.h"

using namespace loom::llm;

namespace {

void require(bool good) {
    if (!good) std::abort();
}

/// The type of an event that has one; "" where it has none or two, or is no JSON.
std::string type_of(std::string_view event) {
    static simdjson::dom::parser parser;
    simdjson::dom::object document;
    if (parser.parse(simdjson::padded_string(event)).get(document) != simdjson::SUCCESS) return "";
    size_t types = 0;
    std::string_view type;
    for (const auto member : document) types += member.key == "type";
    return types == 1 && document["type"].get(type) == simdjson::SUCCESS ? std::string(type) : "";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    static RealtimeReader reader;
    const std::string event(reinterpret_cast<const char*>(data), size);  // its end is guarded
    const RealtimeInterest whole = realtime_interest(event);
    for (size_t cut = 0; cut < event.size() && cut <= realtime_front_bytes; ++cut) {
        const RealtimeInterest front = realtime_interest(std::string_view(event).substr(0, cut));
        require(front == whole || front == RealtimeInterest::unknown);
    }
    Usage once, twice;
    const bool reported = reader.read(event, once);
    require(reader.read(event, twice) == reported && twice == once);
    (void)reader.read(event, twice);
    require(twice.input == 2 * once.input && twice.output == 2 * once.output && twice.total == 2 * once.total);
    require(reported || once == Usage());
    const std::string type = type_of(event);
    if (type.empty()) return 0;
    const bool may_report = type == "response.done" || type == "conversation.item.input_audio_transcription.completed";
    require(!reported || may_report);
    require(whole == RealtimeInterest::unknown || (whole == RealtimeInterest::usage) == may_report);
    return 0;
}
