#include "loom/llm/history_trim.h"

#include <optional>

#include "loom/base/arena.h"
#include "loom/base/arena_list.h"
#include "splicer.h"
#include "translation_state.h"

namespace loom::llm {
namespace {

constexpr size_t item_block_bytes = 64 * 1024;

/// Whose a message is, as far as it decides what may go.
enum class Speaker : uint8_t { system, user, model, result };

struct Item {
    uint64_t bytes = 0;
    Speaker speaker = Speaker::model;
    bool opens = false;   // a call of Responses that is answered by an item of its own
    bool closes = false;  // such an answer
    bool goes = false;
};

std::string_view list_name(Protocol protocol) noexcept {
    switch (protocol) {
        case Protocol::openai_chat:
        case Protocol::anthropic: return "messages";
        case Protocol::openai_responses: return "input";
        case Protocol::gemini: return "contents";
        default: return "";
    }
}

/// The members of a message that tell its kind; raw, as they stand.
struct Facts {
    std::string_view role, type;
    bool has_result = false;  // one of its parts is a tool's
    bool has_call_id = false;
};

Speaker speaker_of_role(std::string_view role) noexcept {
    if (role == "system" || role == "developer") return Speaker::system;
    if (role == "user") return Speaker::user;
    return role == "tool" || role == "function" ? Speaker::result : Speaker::model;
}

static_assert((sizeof(Item) + 3 * sizeof(void*)) * HistoryTrim::messages_max <= HistoryTrim::memory_bytes_max);

class History {
  public:
    History(Protocol protocol, std::string_view body, Tokens tokens, Arena& arena, ByteBuffer& out) noexcept
        : protocol_(protocol), body_(body), cursor_(body, tokens), arena_(arena), splicer_(body, out) {}

    /// False: the document is broken.
    bool read() {
        Cursor look = cursor_;
        return each_message(look, [this](Cursor& at) { return read_item(at); });
    }

    /// Says who goes; how many.
    uint32_t choose(uint64_t bytes) {
        if (too_many_) return 0;
        uint32_t at = 0, last_user = 0;
        bool has_user = false;
        for (const Item& item : items_) {
            if (item.speaker == Speaker::user) {
                last_user = at;
                has_user = true;
            }
            at += 1;
        }
        if (!has_user) return 0;
        const uint32_t turns_end = find_cut(0, last_user, bytes, Speaker::user);
        uint64_t gone = 0;
        uint32_t count = mark(0, turns_end, gone);
        if (gone < bytes && turns_end == last_user) {
            const uint32_t rounds_end =
                find_cut(last_user + 1, static_cast<uint32_t>(items_.count()), bytes - gone, Speaker::model);
            count += mark(last_user + 1, rounds_end, gone);
        }
        return count;
    }

    /// Writes what is left.
    bool write() {
        auto item = items_.begin();
        std::optional<ListCutter> cutter;
        const bool good = each_message(cursor_, [&](Cursor& at) {
            if (!cutter) cutter.emplace(at, splicer_);
            const uint32_t begin = at.offset();
            if (!at.skip_value()) return false;
            (item++)->goes ? cutter->cut(begin) : cutter->keep();
            return true;
        });
        return good && splicer_.finish();
    }

  private:
    /// on_message(cursor) consumes it. Of a list that stands twice, the first.
    template <class OnMessage>
    bool each_message(Cursor& cursor, OnMessage&& on_message) {
        bool found = false;
        return cursor.each_member([&](Range key) {
            const bool is_list = !found && name_of(cursor, key) == list_name(protocol_) && cursor.peek() == '[';
            if (!is_list) return cursor.skip_value();
            found = true;
            return cursor.each_element([&] { return on_message(cursor); });
        });
    }

    bool read_item(Cursor& at) {
        if (items_.count() == HistoryTrim::messages_max) {
            too_many_ = true;
            return at.skip_value();
        }
        const uint32_t begin = at.offset();
        Facts facts;
        const bool is_object = at.peek() == '{';
        if (!(is_object ? read_facts(at, facts) : at.skip_value())) return false;
        Item item = classify(facts);
        item.bytes = at.last_end() - begin;
        items_.add(arena_, item);
        return true;
    }

    bool read_facts(Cursor& at, Facts& facts) {
        return at.each_member([&](Range key) {
            const std::string_view name = name_of(at, key);
            facts.has_call_id |= name == "call_id";
            if ((name == "role" || name == "type") && at.peek() == '"') {
                (name == "role" ? facts.role : facts.type) = inside(body_, at.take_string());
                return true;
            }
            const bool is_parts = (name == "content" || name == "parts") && at.peek() == '[';
            return is_parts ? read_parts(at, facts) : at.skip_value();
        });
    }
    bool read_parts(Cursor& at, Facts& facts) {
        return at.each_element([&] {
            if (at.peek() != '{') return at.skip_value();
            return at.each_member([&](Range key) {
                const std::string_view name = name_of(at, key);
                facts.has_result |= name == "functionResponse" || name == "function_response";
                if (name != "type" || at.peek() != '"') return at.skip_value();
                facts.has_result |= inside(body_, at.take_string()).ends_with("tool_result");
                return true;
            });
        });
    }

    Item classify(const Facts& facts) const noexcept {
        Item item;
        if (protocol_ == Protocol::openai_responses && facts.role.empty()) {
            const bool is_answer = facts.type.ends_with("_output") || facts.type == "mcp_approval_response";
            item.speaker = is_answer ? Speaker::result : Speaker::model;
            // What stands for all that was before it.
            if (facts.type.starts_with("compaction")) item.speaker = Speaker::system;
            item.opens = !is_answer && facts.has_call_id;
            item.closes = is_answer && facts.has_call_id;
            return item;
        }
        const bool nameless_user = protocol_ == Protocol::gemini && facts.role.empty();
        item.speaker = nameless_user ? Speaker::user : speaker_of_role(facts.role);
        if (item.speaker == Speaker::user && facts.has_result) item.speaker = Speaker::result;
        return item;
    }

    /// The first place from `from` up to `end` that may be the beginning of what is left, and before which stand so
    /// many bytes that may go; else the last such place. It is one where `speaker` begins, behind the results of all
    /// calls; `from` where there is none.
    uint32_t find_cut(uint32_t from, uint32_t end, uint64_t bytes, Speaker speaker) const {
        uint64_t before = 0;
        uint32_t at = 0, cut = from;
        int64_t open = 0;
        Speaker last = Speaker::system;
        for (const Item& item : items_) {
            const bool is_place =
                item.speaker == speaker && open == 0 && (speaker == Speaker::user || last == Speaker::result);
            if (at > from && at <= end && is_place) {
                cut = at;
                if (before >= bytes) return cut;
            }
            if (at >= from && item.speaker != Speaker::system) before += item.bytes;
            open += item.opens ? 1 : item.closes ? -1 : 0;
            if (item.speaker != Speaker::system) last = item.speaker;
            at += 1;
        }
        return cut;
    }

    uint32_t mark(uint32_t from, uint32_t end, uint64_t& bytes) {
        uint32_t at = 0, count = 0;
        for (Item& item : items_) {
            if (at >= from && at < end && item.speaker != Speaker::system) {
                item.goes = true;
                bytes += item.bytes;
                count += 1;
            }
            at += 1;
        }
        return count;
    }

    Protocol protocol_;
    std::string_view body_;
    Cursor cursor_;
    Arena& arena_;
    Splicer splicer_;
    ArenaList<Item> items_;
    bool too_many_ = false;
};

}  // namespace

Result<uint32_t> HistoryTrim::trim(Endpoint endpoint, std::string_view body, uint64_t bytes, ByteBuffer& out) {
    const auto protocol = chat_protocol_of(endpoint);
    if (!protocol || list_name(*protocol).empty()) return 0;
    Tokens tokens;
    Fault fault;
    Structure& structure = scratch_.parts_->structure;
    bool good = structure.index(body, Structure::Utf8::passed, tokens, fault);
    uint32_t gone = 0;
    const size_t before = out.size();
    if (good) {
        Arena arena(pool_, item_block_bytes);
        History history(*protocol, body, tokens, arena, out);
        good = history.read();
        if (good) gone = history.choose(bytes);
        if (good && gone > 0) good = history.write();
    }
    structure.trim();
    if (good) return gone;
    out.resize(before);
    return fail(Errc::bad_message, Side::downstream, "the messages are no conversation that could be shortened");
}

}  // namespace loom::llm
