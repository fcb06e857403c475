#include "loom/llm/history_trim.h"

#include <optional>

#include "loom/base/arena.h"
#include "loom/base/arena_list.h"
#include "loom/llm/token_estimate.h"
#include "request_walk.h"
#include "splicer.h"
#include "translation_state.h"

namespace loom::llm {

/// How much is to go: so much text, or as much as leaves so many tokens.
struct HistoryTrim::Wish {
    uint64_t text_bytes = 0;
    std::optional<uint64_t> tokens_max;
};

namespace {

constexpr size_t item_block_bytes = 64 * 1024;

/// Whose a message is, as far as it decides what may go.
enum class Speaker : uint8_t { system, user, model, result };

struct Item {
    uint32_t end = 0;         // in the document
    uint32_t text_bytes = 0;  // of the prompt, as RequestReader counts it
    TokenEstimate estimate;   // of these, where somebody wants to know
    Speaker speaker = Speaker::model;
    bool says = false;    // a user's own words beside a tool's result
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
    bool has_own = false;     // and one is not
    bool has_call_id = false;
};

Speaker speaker_of_role(std::string_view role) noexcept {
    if (role == "system" || role == "developer") return Speaker::system;
    if (role == "user") return Speaker::user;
    return role == "tool" || role == "function" ? Speaker::result : Speaker::model;
}

static_assert((sizeof(Item) + 3 * sizeof(void*)) * HistoryTrim::messages_max <= HistoryTrim::memory_bytes_max);

/// Of some texts together.
struct TextSum {
    uint64_t bytes = 0;
    TokenEstimate estimate;

    void add(const Item& item) noexcept {
        bytes += item.text_bytes;
        estimate.add(item.estimate);
    }
};

/// Adds to each item what the reader counts of it. Texts and items both come in the order of the document.
class ItemTexts final : public RequestWalk::TextSink {
  public:
    /// all  what the whole prompt is estimated to be; null: nobody wants to know.
    ItemTexts(std::string_view body, uint32_t items_begin, ArenaList<Item>& items, TextSum* all) noexcept
        : body_(body), begin_(items_begin), at_(items.begin()), end_(items.end()), all_(all) {}

    void on_text(std::string_view raw, bool is_json_text) override {
        TokenEstimate estimate;
        if (all_ != nullptr) {
            is_json_text ? estimate.add_json(raw) : estimate.add(raw);
            all_->estimate.add(estimate);
            all_->bytes += raw.size();
        }
        const auto offset = static_cast<uint32_t>(raw.data() - body_.data());
        if (offset < begin_) return;
        while (at_ != end_ && at_->end <= offset) ++at_;
        // Behind the list stands what is no item's; in front of it that may be told later.
        if (at_ == end_) return;
        at_->text_bytes += static_cast<uint32_t>(raw.size());
        at_->estimate.add(estimate);
    }

  private:
    std::string_view body_;
    uint32_t begin_;
    ArenaList<Item>::iterator at_, end_;
    TextSum* all_;
};

class History {
  public:
    History(Endpoint endpoint, Protocol protocol, std::string_view body, Tokens tokens, Arena& arena,
            ByteBuffer& out) noexcept
        : endpoint_(endpoint),
          protocol_(protocol),
          body_(body),
          tokens_(tokens),
          cursor_(body, tokens),
          arena_(arena),
          splicer_(body, out) {}

    /// False: the document is broken.
    bool read(bool estimates) {
        Cursor look = cursor_;
        if (!each_message(look, [this](Cursor& at) { return read_item(at); })) return false;
        ItemTexts texts(body_, items_begin_, items_, estimates ? &all_ : nullptr);
        RequestWalk walk(endpoint_, body_, tokens_);
        walk.tell_texts(texts);
        (void)walk.run();  // what it finds fault with was read before, or is left out of the count
        return true;
    }

    /// Says who goes. enough(gone): so much of the text does.
    template <class Enough>
    TrimmedHistory choose(const Enough& enough) {
        TextSum gone;
        uint32_t messages = 0;
        const Bounds bounds = find_bounds();
        if (!too_many_ && bounds.has_user) {
            const uint32_t turns_end = find_cut(0, bounds.last_user, gone, enough, Speaker::user);
            messages += mark(0, turns_end, gone);
            if (!enough(gone) && turns_end == bounds.last_user) {
                const uint32_t from = bounds.last_user + 1;
                messages += mark(from, find_cut(from, bounds.rounds_end, gone, enough, Speaker::model), gone);
            }
        }
        return {.messages = messages,
                .text_bytes = gone.bytes,
                .tokens_left = tokens_without(gone),
                .estimated_bytes = all_.bytes};
    }

    /// Of the whole prompt, as it is estimated.
    uint64_t tokens_without(const TextSum& gone) const noexcept {
        TokenEstimate left = all_.estimate;
        left.take_out(gone.estimate);
        return left.tokens();
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
    struct Bounds {
        bool has_user = false;
        uint32_t last_user = 0;   // no turn behind it goes
        uint32_t rounds_end = 0;  // no round that reaches behind it goes: the last result, or user's words beside one
    };
    Bounds find_bounds() const noexcept {
        Bounds bounds;
        uint32_t at = 0;
        bool has_words = false;
        for (const Item& item : items_) {
            if (item.speaker == Speaker::user) {
                bounds = {.has_user = true, .last_user = at, .rounds_end = at};
                has_words = false;
            }
            has_words |= item.says;
            if (item.speaker == Speaker::result && (item.says || !has_words)) bounds.rounds_end = at;
            at += 1;
        }
        return bounds;
    }

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
        if (items_.count() == 0) items_begin_ = at.offset();
        Facts facts;
        const bool is_object = at.peek() == '{';
        if (!(is_object ? read_facts(at, facts) : at.skip_value())) return false;
        Item item = classify(facts);
        item.end = at.last_end();
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
            bool is_result = false;
            const bool good = at.peek() != '{' ? at.skip_value() : at.each_member([&](Range key) {
                const std::string_view name = name_of(at, key);
                is_result |= name == "functionResponse" || name == "function_response";
                if (name != "type" || at.peek() != '"') return at.skip_value();
                is_result |= inside(body_, at.take_string()).ends_with("tool_result");
                return true;
            });
            (is_result ? facts.has_result : facts.has_own) = true;
            return good;
        });
    }

    Item classify(const Facts& facts) const noexcept {
        Item item;
        if (protocol_ == Protocol::openai_responses && facts.role.empty()) {
            const bool is_answer = facts.type.ends_with("_output") || facts.type == "mcp_approval_response";
            item.speaker = is_answer ? Speaker::result : Speaker::model;
            // What stands for all that was before it.
            if (facts.type.starts_with("compaction")) item.speaker = Speaker::system;
            // A local shell's call is answered by its `id`.
            const bool is_shell = facts.type.starts_with("local_shell_call");
            item.opens = !is_answer && (facts.has_call_id || is_shell);
            item.closes = is_answer && (facts.has_call_id || is_shell);
            return item;
        }
        const bool nameless_user = protocol_ == Protocol::gemini && facts.role.empty();
        item.speaker = nameless_user ? Speaker::user : speaker_of_role(facts.role);
        if (item.speaker == Speaker::user && facts.has_result) {
            item.speaker = Speaker::result;
            item.says = facts.has_own;
        }
        return item;
    }

    /// The first place from `from` up to `end` that may be the beginning of what is left, and before which stands
    /// enough text that may go, beside what is gone; else the last such place. It is one where `speaker` begins, behind
    /// the results of all calls; `from` where there is none.
    template <class Enough>
    uint32_t find_cut(uint32_t from, uint32_t end, TextSum gone, const Enough& enough, Speaker speaker) const {
        uint32_t at = 0, cut = from;
        int64_t open = 0;
        Speaker last = Speaker::system;
        for (const Item& item : items_) {
            const bool is_place =
                item.speaker == speaker && open == 0 && (speaker == Speaker::user || last == Speaker::result);
            if (at > from && at <= end && is_place) {
                cut = at;
                if (enough(gone)) return cut;
            }
            if (at >= from && item.speaker != Speaker::system) gone.add(item);
            open += item.opens ? 1 : item.closes ? -1 : 0;
            if (item.speaker != Speaker::system) last = item.speaker;
            at += 1;
        }
        return cut;
    }

    /// How many.
    uint32_t mark(uint32_t from, uint32_t end, TextSum& gone) {
        uint32_t at = 0, messages = 0;
        for (Item& item : items_) {
            if (at >= from && at < end && item.speaker != Speaker::system) {
                item.goes = true;
                gone.add(item);
                messages += 1;
            }
            at += 1;
        }
        return messages;
    }

    Endpoint endpoint_;
    Protocol protocol_;
    std::string_view body_;
    Tokens tokens_;
    Cursor cursor_;
    Arena& arena_;
    Splicer splicer_;
    ArenaList<Item> items_;
    TextSum all_;               // of the prompt, with what is no item's
    uint32_t items_begin_ = 0;  // in the document
    bool too_many_ = false;
};

}  // namespace

Result<TrimmedHistory> HistoryTrim::trim(Endpoint endpoint, std::string_view body, uint64_t text_bytes,
                                         ByteBuffer& out) {
    return cut(endpoint, body, {.text_bytes = text_bytes, .tokens_max = std::nullopt}, out);
}

Result<TrimmedHistory> HistoryTrim::trim_to(Endpoint endpoint, std::string_view body, uint64_t tokens_max,
                                            ByteBuffer& out) {
    return cut(endpoint, body, {.text_bytes = 0, .tokens_max = tokens_max}, out);
}

Result<TrimmedHistory> HistoryTrim::cut(Endpoint endpoint, std::string_view body, const Wish& wish, ByteBuffer& out) {
    const auto protocol = chat_protocol_of(endpoint);
    if (!protocol || list_name(*protocol).empty()) return TrimmedHistory{};
    Tokens tokens;
    Fault fault;
    Structure& structure = scratch_.parts_->structure;
    bool good = structure.index(body, Structure::Utf8::passed, tokens, fault);
    TrimmedHistory gone;
    const size_t before = out.size();
    if (good) {
        Arena arena(pool_, item_block_bytes);
        History history(endpoint, *protocol, body, tokens, arena, out);
        good = history.read(wish.tokens_max.has_value());
        if (good)
            gone = history.choose([&](const TextSum& sum) {
                return wish.tokens_max ? history.tokens_without(sum) <= *wish.tokens_max : sum.bytes >= wish.text_bytes;
            });
        if (good && gone.messages > 0) good = history.write();
    }
    structure.trim();
    if (good) return gone;
    out.resize(before);
    return fail(Errc::bad_message, Side::downstream, "the messages are no conversation that could be shortened");
}

}  // namespace loom::llm
