// Where the texts of a streamed answer stand in its events, and which of them go on with each other: what one event
// says of a choice, a block or an item is a piece of one text. For guards, which may find what two events share, and
// tell a piece later than it came. Pure: the data of an event in, places out.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loom/base/block_pool.h"
#include "loom/llm/protocol.h"
#include "loom/llm/range.h"

namespace loom::llm {

class Cursor;
class Structure;

/// What the readers of a shard's streams share; nothing of it outlives a call.
class EventScratch {
  public:
    EventScratch();
    ~EventScratch();
    EventScratch(const EventScratch&) = delete;

  private:
    friend class EventTexts;
    std::unique_ptr<Structure> structure_;
};

/// Of one stream, in its client's protocol (openai_chat, openai_completions, openai_responses, anthropic, gemini).
class EventTexts {
  public:
    static constexpr uint32_t slots_max = 64;       // texts that are open at one time
    static constexpr uint32_t texts_max = 128;      // of one event
    static constexpr size_t slot_bytes_max = 2048;  // of the words around a text, and of the stream's own

    struct Text {
        Range range;              // inside the quotes of its string
        uint32_t slot = 0;        // which text it goes on with: below slots_max
        bool ends = false;        // nothing follows in that
        bool holds_json = false;  // what a tool is given
    };
    /// Bytes of an event that others take the place of.
    struct Change {
        Range range;
        std::string_view text;
    };

    EventTexts(EventScratch& scratch, Protocol protocol);
    EventTexts(const EventTexts&) = delete;

    /// data  of one event; the places are those of it. What ended with the event before is forgotten.
    /// False: it cannot be read, or there is more in it than there is room for, so nobody can say what its client is
    /// told.
    [[nodiscard]] bool read(std::string_view data);
    /// Of a whole answer: repeats() alone.
    [[nodiscard]] bool read_document(std::string_view document);
    /// The stream is over, or broken: all that is open has ended.
    void end();

    /// In the order in which they stand.
    [[nodiscard]] std::span<const Text> texts() const noexcept { return texts_; }
    /// Slots that have ended in front of this event, and have no text in it.
    [[nodiscard]] std::span<const uint32_t> ended() const noexcept { return ended_; }
    /// What tells the text again, a token at a time (log probabilities), and what stands there without it.
    [[nodiscard]] std::span<const Change> repeats() const noexcept { return repeats_; }
    /// What makes the event say that a filter has ended the answer, where it says why it ended; and the name that the
    /// event has then, "" where that stays.
    [[nodiscard]] std::span<const Change> filtered() const noexcept { return filtered_; }
    [[nodiscard]] std::string_view filtered_name() const noexcept { return filtered_name_; }
    /// It tells again, whole, what events before it have told.
    [[nodiscard]] bool is_summary() const noexcept { return is_summary_; }
    /// Where the event has its number, which is another in each; empty where it has none.
    [[nodiscard]] Range number_at() const noexcept { return numbered_ ? number_at_ : Range{}; }

    /// Appends an event that tells more of a slot, in front of the one that was read (behind the last one after end()).
    /// text  the inside of a JSON string.
    void write(uint32_t slot, std::string_view text, ByteBuffer& out);
    /// What numbers the event anew, where others were written before it. Stays until the next call.
    [[nodiscard]] std::span<const Change> renumbered();

  private:
    struct Slot {
        std::string key;
        std::string before, behind;  // of the text, in an event that tells more of it
        uint64_t group = 0;
        bool open = false;
        bool closing = false;
    };
    [[nodiscard]] bool read_event(Cursor& cursor);
    [[nodiscard]] bool read_chat(Cursor& cursor);
    [[nodiscard]] bool read_choice(Cursor& cursor);
    [[nodiscard]] bool read_delta_member(Cursor& cursor, std::string_view name);
    [[nodiscard]] bool read_object(Cursor& cursor);
    [[nodiscard]] bool read_list(Cursor& cursor);
    [[nodiscard]] bool read_anthropic(Cursor& cursor);
    [[nodiscard]] bool read_block(Cursor& cursor, uint64_t index, bool begins);
    [[nodiscard]] bool read_stop_reason(Cursor& cursor);
    [[nodiscard]] bool read_gemini(Cursor& cursor);
    [[nodiscard]] bool read_candidate(Cursor& cursor);
    [[nodiscard]] bool read_part(Cursor& cursor, uint64_t index);
    [[nodiscard]] bool read_responses(Cursor& cursor);
    [[nodiscard]] bool read_response_object(Cursor& cursor, bool completed);
    void name_response_slot(const Cursor& event, std::string_view type, std::string_view base);
    [[nodiscard]] bool seek_repeats(Cursor& cursor);
    [[nodiscard]] bool add_repeat(Cursor& cursor, std::string_view in_its_place);
    [[nodiscard]] bool add_text(Cursor& cursor, Range quoted);
    [[nodiscard]] bool keep_word(Cursor& cursor, std::string& word);
    [[nodiscard]] Slot* find_slot();
    void end_slot(uint32_t slot);
    void end_group(uint64_t group);
    void end_others_of(uint64_t group, std::string_view key);
    void end_all();

    const Protocol protocol_;
    Structure* const structure_;
    std::array<Slot, slots_max> slots_;
    std::vector<Text> texts_;
    std::vector<uint32_t> ended_;
    std::vector<Change> repeats_, filtered_;
    std::string_view filtered_name_;
    std::string front_, end_;                    // of events that are written: what the stream's events have in common
    std::string id_, object_, created_, model_;  // words of JSON, as the stream says them
    std::string key_, before_, behind_;          // of the value at hand
    uint64_t group_ = 0;
    std::string number_text_;
    std::array<Change, 1> renumbered_;
    Range number_at_;
    uint64_t number_ = 0;  // of the event at hand, as it came
    uint64_t written_ = 0;
    bool numbered_ = false;
    bool over_ = false;
    bool is_summary_ = false;
};

}  // namespace loom::llm
