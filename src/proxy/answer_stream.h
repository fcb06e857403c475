// The guard of a streamed answer: what its client gets of each event.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "loom/base/hash.h"
#include "loom/http/sse.h"
#include "loom/llm/event_texts.h"
#include "loom/proxy/relay.h"
#include "text_slot.h"

namespace loom::proxy {

class RequestGuard;

/// Texts that go on from event to event are looked through as one (TextSlot); what else stands in an event, by itself.
/// Told is what the whole answer's guard would tell, however its texts are cut into events. Held back is of each text
/// what may still become a find; where a text ends, what is left is told in front of its end, in an event of the
/// client's protocol.
class AnswerStream final : public EventGuard {
  public:
    /// What all texts of a stream may hold back together, and read; beyond it the stream is ended.
    static constexpr size_t memory_bytes_max = size_t{1} << 20;

    /// All outlive this.
    AnswerStream(const GuardPlan& plan, BlockPool& blocks, llm::EventScratch& scratch, llm::Protocol protocol,
                 guard::MaskTable& values, bool expects_json = false, const guard::SystemText* system = nullptr,
                 guard::HtmlMode html = guard::HtmlMode::off);
    ~AnswerStream();

    [[nodiscard]] Step on_event(std::string_view event, ByteBuffer& out) override;
    void on_end(ByteBuffer& out) override;
    /// What is found is told there as well; borrowed. Null: nowhere.
    void note_in(AuditNotes* notes) noexcept { finds_.notes = notes; }
    [[nodiscard]] bool blocks_answer() const noexcept override { return finds_.stopped(); }
    [[nodiscard]] bool acts() const noexcept;
    [[nodiscard]] const AnswerFinds& finds() const noexcept { return finds_; }

  private:
    /// Bytes of the event's data that others take the place of.
    struct Change {
        llm::Range range;
        size_t begin = 0, size = 0;  // in made_ …
        std::string_view text = {};  // … or this
    };
    [[nodiscard]] bool parse(std::string_view event, http::SseEvent& parsed);
    [[nodiscard]] bool take_texts(std::string_view data, ByteBuffer& out);
    [[nodiscard]] bool take(uint32_t slot, std::string_view piece, bool ends, bool holds_json = false);
    [[nodiscard]] bool take_rest(std::string_view& data, ByteBuffer& changed);
    [[nodiscard]] uint32_t strip_rest(std::string_view& data);
    [[nodiscard]] std::vector<llm::Range> kept_places() const;
    [[nodiscard]] bool silence_rest(std::string_view data, ByteBuffer& changed);
    [[nodiscard]] bool run(RequestGuard& guard) const;
    void note_content(const RequestGuard& guard);
    void add_changes(std::span<const llm::EventTexts::Change> changes);
    [[nodiscard]] Hash128 rest_of(std::string_view data);
    [[nodiscard]] std::string_view text_of(const Change& change) const noexcept {
        return change.size > 0 ? made_.view().substr(change.begin, change.size) : change.text;
    }
    void note_rest(PiiType type, uint32_t count);
    void write(std::string_view event, const http::SseEvent& parsed, std::string_view data, bool plain,
               ByteBuffer& out);

    BlockPool& blocks_;
    AnswerFinds finds_;
    llm::EventTexts texts_;
    std::array<std::unique_ptr<TextSlot>, llm::EventTexts::slots_max> slots_;
    std::vector<Change> changes_;
    std::vector<llm::Range> left_out_;
    ByteBuffer made_;      // of the event at hand: what takes the place of its texts
    ByteBuffer joined_;    // its data, of several lines
    ByteBuffer rest_;      // its data without its texts
    ByteBuffer stripped_;  // its data without the HTML that stands beside its texts
    Arena scratch_;
    bool gave_up_ = false;               // who only counts, and has no room to go on
    std::optional<Hash128> clean_rest_;  // of an event before, in which nothing was found beside its texts
};

}  // namespace loom::proxy
