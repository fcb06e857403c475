// What the text of an answer cites, as a candidate's groundingMetadata: pages as `web`, documents as
// `retrievedContext`, places in bytes of UTF-8 (gemini_grounding.h has the source). Google says them with the last of a
// stream's events.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "citation.h"
#include "json_out.h"

namespace loom::llm::gemini {

/// Of one candidate.
class GroundingWriter {
  public:
    static constexpr size_t cited_bytes_max = 256 << 10;  // of sources and places; what cites beyond is lost

    /// Places are counted from here, in this part of the content. Without it: in all of the text, as in streams.
    void begin_part(uint32_t index);
    /// A piece of the answer's text.
    void append(Text inside);
    /// Places that citations say are counted from here.
    void end_text() noexcept { text_begin_ = text_.count(); }
    /// There is no room for more of the text: what cites it is lost.
    void cut();

    /// A citation of the text since end_text(). What Gemini has no word for is noted as lost.
    void add(Json citation, Context& context);
    [[nodiscard]] bool empty() const noexcept { return chunks_.empty(); }
    /// The member, where anything is cited.
    void write(JsonOut& json) const;

  private:
    struct Support {
        uint32_t part;
        uint64_t begin;
        uint64_t end;
        std::string text;
        std::vector<uint32_t> chunks;
    };
    [[nodiscard]] uint32_t number_of(const std::string& chunk);
    void support(Span span, uint32_t chunk);

    PlacedText text_;
    uint64_t text_begin_ = 0;
    uint32_t part_ = 0;
    bool is_cut_ = false;
    size_t cited_bytes_ = 0;
    std::unordered_map<std::string, uint32_t> numbers_;
    std::vector<std::string_view> chunks_;  // in numbers_
    std::vector<Support> supports_;
};

}  // namespace loom::llm::gemini
