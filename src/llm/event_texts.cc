#include "loom/llm/event_texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "cursor.h"
#include "loom/llm/json_text.h"
#include "structure.h"

namespace loom::llm {

namespace {

constexpr size_t word_bytes_max = 256;

/// Of a delta of chat: what is no text of the model. Guards read these as they read the rest of an event.
constexpr std::string_view names_beside_text[] = {
    "data",      "encrypted_content", "format",       "id",   "name", "role",
    "signature", "thought_signature", "tool_call_id", "type",
};
/// Of a delta of chat: objects and lists whose strings go on from event to event.
constexpr std::string_view names_of_texts[] = {
    "audio", "content", "custom", "function", "function_call", "reasoning_details", "thinking", "tool_calls",
};

bool is_among(std::string_view name, std::span<const std::string_view> names) noexcept {
    return std::ranges::find(names, name) != names.end();
}

/// Calls on_member(std::string_view name), which consumes the value. A name with an escape in it is a name that only
/// its client would know again.
template <class OnMember>
bool each_member(Cursor& cursor, OnMember&& on_member) {
    return cursor.each_member([&](Range key) {
        const std::string_view name = inside(cursor.text(), key);
        if (name.contains('\\')) return cursor.fail_at(key.offset, "a name holds an escape");
        return on_member(name);
    });
}

/// Looks at the members of the object that comes, without taking it.
template <class OnMember>
bool look_at_members(const Cursor& cursor, OnMember&& on_member) {
    Cursor ahead = cursor;
    return each_member(ahead, [&](std::string_view name) { return on_member(ahead, name); });
}

bool take_number(Cursor& cursor, uint64_t& number, bool& there) {
    there = cursor.take_count(number);
    return there || cursor.skip_value();
}

/// Does it say that a text has ended? Some providers say null as "" in every event.
bool take_end(Cursor& cursor, bool& ended) {
    if (cursor.is_null()) return cursor.skip_value();
    Range range;
    if (!cursor.skip_value(range)) return false;
    ended = text_of(cursor.text(), range) != R"("")";
    return true;
}

/// The inside of a string, where it is one and has no escape; else the value is passed over.
bool take_word(Cursor& cursor, std::string_view& word) {
    if (cursor.peek() != '"') return cursor.skip_value();
    const std::string_view inner = inside(cursor.text(), cursor.take_string());
    if (inner.size() <= word_bytes_max && !inner.contains('\\')) word = inner;
    return true;
}

}  // namespace

EventScratch::EventScratch() : structure_(std::make_unique<Structure>()) {}
EventScratch::~EventScratch() = default;

EventTexts::EventTexts(EventScratch& scratch, Protocol protocol)
    : protocol_(protocol), structure_(scratch.structure_.get()) {}

bool EventTexts::read(std::string_view data) {
    for (const uint32_t slot : ended_) slots_[slot] = {};
    for (const Text& text : texts_)
        if (text.ends) slots_[text.slot] = {};
    for (Slot& slot : slots_) slot.closing = false;
    texts_.clear();
    ended_.clear();
    repeats_.clear();
    filtered_.clear();
    filtered_name_ = {};
    is_summary_ = numbered_ = false;
    if (data == "[DONE]") {
        end_all();
        return true;
    }
    Tokens tokens;
    Fault fault;
    if (!structure_->index(data, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(data, tokens);
    const bool good = cursor.peek() == '{' && read_event(cursor) && cursor.at_end();
    structure_->trim();
    return good;
}

bool EventTexts::read_document(std::string_view document) {
    repeats_.clear();
    Tokens tokens;
    Fault fault;
    if (!structure_->index(document, Structure::Utf8::passed, tokens, fault)) return false;
    Cursor cursor(document, tokens);
    const bool good = seek_repeats(cursor) && cursor.at_end();
    structure_->trim();
    return good;
}

void EventTexts::end() {
    (void)read("[DONE]");
    over_ = true;
}

bool EventTexts::read_event(Cursor& cursor) {
    switch (protocol_) {
        case Protocol::openai_responses: return read_responses(cursor);
        case Protocol::anthropic: return read_anthropic(cursor);
        case Protocol::gemini: return read_gemini(cursor);
        default: return read_chat(cursor);
    }
}

// Texts and the slots that they belong to.

EventTexts::Slot* EventTexts::find_slot() {
    Slot* free = nullptr;
    for (Slot& slot : slots_) {
        if (slot.open && !slot.closing && slot.key == key_) return &slot;
        if (!slot.open && free == nullptr) free = &slot;
    }
    if (free == nullptr || before_.size() + behind_.size() + key_.size() > slot_bytes_max) return nullptr;
    free->key = key_;
    free->before = before_;
    free->behind = behind_;
    free->group = group_;
    free->open = true;
    free->closing = false;
    return free;
}

/// A string that the cursor has taken, of the text that key_ names.
bool EventTexts::add_text(Cursor& cursor, Range quoted) {
    Slot* const slot = find_slot();
    if (slot == nullptr || texts_.size() == texts_max) return cursor.fail_at(quoted.offset, "too many texts at once");
    const bool holds_json = key_.ends_with("/arguments") || key_.ends_with("/input") ||
                            key_.ends_with("/partial_json") || key_.starts_with("response.function_call_arguments") ||
                            key_.starts_with("response.custom_tool_call_input") ||
                            key_.starts_with("response.mcp_call_arguments");
    texts_.push_back({.range = {quoted.offset + 1, quoted.length - 2},
                      .slot = static_cast<uint32_t>(slot - slots_.data()),
                      .holds_json = holds_json});
    return true;
}

/// Nothing follows in it: its last text in this event is its end, or it has ended before.
void EventTexts::end_slot(uint32_t index) {
    Slot& slot = slots_[index];
    if (!slot.open || slot.closing) return;
    slot.closing = true;
    for (auto text = texts_.rbegin(); text != texts_.rend(); ++text) {
        if (text->slot != index) continue;
        text->ends = true;
        return;
    }
    ended_.push_back(index);
}

void EventTexts::end_group(uint64_t group) {
    for (uint32_t i = 0; i < slots_max; ++i)
        if (slots_[i].group == group) end_slot(i);
}

void EventTexts::end_others_of(uint64_t group, std::string_view key) {
    for (uint32_t i = 0; i < slots_max; ++i)
        if (slots_[i].group == group && slots_[i].key != key) end_slot(i);
}

void EventTexts::end_all() {
    for (uint32_t i = 0; i < slots_max; ++i) end_slot(i);
}

void EventTexts::write(uint32_t slot, std::string_view text, ByteBuffer& out) {
    const Slot& of = slots_[slot];
    out.append(front_);
    out.append(of.before);
    out.append(text);
    out.append(of.behind);
    if (protocol_ == Protocol::openai_responses) {
        const uint64_t number = number_ + written_ + (over_ ? 1 : 0);
        out.append(fmt::format(",\"sequence_number\":{}", number));
        written_ += 1;
    }
    out.append(end_);
}

std::span<const EventTexts::Change> EventTexts::renumbered() {
    if (!numbered_ || written_ == 0) return {};
    number_text_ = fmt::format("{}", number_ + written_);
    renumbered_[0] = {number_at_, number_text_};
    return renumbered_;
}

// What tells a text again.

bool EventTexts::add_repeat(Cursor& cursor, std::string_view in_its_place) {
    if (cursor.is_null()) return cursor.skip_value();
    Range range;
    if (!cursor.skip_value(range)) return false;
    if (range.length > 2) repeats_.push_back({range, in_its_place});
    return true;
}

/// At any depth. A tool's own members may be called so too, and are left without it.
bool EventTexts::seek_repeats(Cursor& cursor) {
    if (cursor.peek() == '[') return cursor.each_element([&] { return seek_repeats(cursor); });
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        std::string_view name = inside(cursor.text(), key);
        std::string decoded;
        if (name.contains('\\') && name.size() <= word_bytes_max && unescape(name, decoded)) name = decoded;
        if (name == "logprobs") return add_repeat(cursor, cursor.peek() == '[' ? "[]" : "null");
        if (name == "logprobsResult") return add_repeat(cursor, "{}");
        return seek_repeats(cursor);
    });
}

// OpenAI's chat and its legacy completions.

bool EventTexts::keep_word(Cursor& cursor, std::string& word) {
    Range range;
    if (!cursor.skip_value(range)) return false;
    if (range.length <= word_bytes_max) word = text_of(cursor.text(), range);
    return true;
}

bool EventTexts::read_chat(Cursor& cursor) {
    bool fails = false;
    const bool good = each_member(cursor, [&](std::string_view name) {
        if (name == "id") return keep_word(cursor, id_);
        if (name == "object") return keep_word(cursor, object_);
        if (name == "created") return keep_word(cursor, created_);
        if (name == "model") return keep_word(cursor, model_);
        if (name == "error") fails = !cursor.is_null();
        if (name != "choices" || cursor.peek() != '[') return cursor.skip_value();
        return cursor.each_element([&] { return read_choice(cursor); });
    });
    if (!good) return false;
    if (fails) end_all();
    const auto or_else = [](const std::string& word, std::string_view none) {
        return word.empty() ? none : std::string_view(word);
    };
    front_ =
        fmt::format(R"(data: {{"id":{},"object":{},"created":{},"model":{},"choices":[)", or_else(id_, "\"\""),
                    or_else(object_, "\"chat.completion.chunk\""), or_else(created_, "0"), or_else(model_, "\"\""));
    end_ = "]}\n\n";
    return true;
}

bool EventTexts::read_choice(Cursor& cursor) {
    if (cursor.peek() != '{') return cursor.skip_value();
    uint64_t index = 0;
    bool there = false, finished = false;
    const bool looked = look_at_members(cursor, [&](Cursor& ahead, std::string_view name) {
        if (name == "index") return take_number(ahead, index, there);
        if (name == "finish_reason") return take_end(ahead, finished);
        return ahead.skip_value();
    });
    if (!looked) return cursor.fail_here("a choice cannot be read");
    group_ = index;
    const bool good = each_member(cursor, [&](std::string_view name) {
        if (name == "finish_reason" && cursor.peek() == '"') {
            filtered_.push_back({cursor.take_string(), "\"content_filter\""});
            return true;
        }
        if (name == "logprobs") return add_repeat(cursor, "null");
        if (name == "text" && cursor.peek() == '"') {
            key_ = fmt::format("{}/text", index);
            before_ = fmt::format(R"({{"index":{},"text":")", index);
            behind_ = R"(","logprobs":null,"finish_reason":null})";
            return add_text(cursor, cursor.take_string());
        }
        if ((name != "delta" && name != "message") || cursor.peek() != '{') return cursor.skip_value();
        key_ = fmt::format("{}", index);
        before_ = fmt::format(R"({{"index":{},"delta":{{)", index);
        behind_ = R"(},"finish_reason":null})";
        return each_member(cursor, [&](std::string_view member) { return read_delta_member(cursor, member); });
    });
    if (good && finished) end_group(index);
    return good;
}

/// A member of a delta, or of something in it: before_ is open for members there.
bool EventTexts::read_delta_member(Cursor& cursor, std::string_view name) {
    const bool is_string = cursor.peek() == '"';
    const bool is_list = cursor.peek() == '[' && is_among(name, names_of_texts);
    const bool is_object = cursor.peek() == '{' && is_among(name, names_of_texts);
    if ((is_string && is_among(name, names_beside_text)) || (!is_string && !is_list && !is_object))
        return cursor.skip_value();
    const size_t key_size = key_.size(), before_size = before_.size(), behind_size = behind_.size();
    key_.append("/").append(name);
    before_.append("\"").append(name).append("\":");
    bool good = true;
    if (is_string) {
        before_ += '"';
        behind_.insert(0, "\"");
        good = add_text(cursor, cursor.take_string());
    } else {
        good = is_list ? read_list(cursor) : read_object(cursor);
    }
    key_.resize(key_size);
    before_.resize(before_size);
    behind_.erase(0, behind_.size() - behind_size);
    return good;
}

/// Its index and its type say which one of several it is, wherever they stand in it.
bool EventTexts::read_object(Cursor& cursor) {
    uint64_t index = 0;
    bool has_index = false;
    std::string_view type;
    const bool looked = look_at_members(cursor, [&](Cursor& ahead, std::string_view name) {
        if (name == "index") return take_number(ahead, index, has_index);
        if (name == "type") return take_word(ahead, type);
        return ahead.skip_value();
    });
    if (!looked) return cursor.fail_here("an object cannot be read");
    const size_t key_size = key_.size(), before_size = before_.size(), behind_size = behind_.size();
    before_ += '{';
    behind_.insert(0, "}");
    if (has_index) {
        key_ += fmt::format("#{}", index);
        before_ += fmt::format("\"index\":{},", index);
    }
    if (!type.empty()) {
        // A call says what it is with its first piece alone.
        if (!has_index) key_.append(":").append(type);
        if (!has_index || !type.starts_with("function")) before_ += fmt::format("\"type\":\"{}\",", type);
    }
    const bool good = each_member(cursor, [&](std::string_view member) { return read_delta_member(cursor, member); });
    key_.resize(key_size);
    before_.resize(before_size);
    behind_.erase(0, behind_.size() - behind_size);
    return good;
}

bool EventTexts::read_list(Cursor& cursor) {
    before_ += '[';
    behind_.insert(0, "]");
    return cursor.each_element(
        [&] { return cursor.peek() == '{' ? read_object(cursor) : cursor.peek() != '"' && cursor.skip_value(); });
}

// Anthropic.

bool EventTexts::read_anthropic(Cursor& cursor) {
    std::string_view type;
    uint64_t index = 0;
    bool there = false;
    const bool looked = look_at_members(cursor, [&](Cursor& ahead, std::string_view name) {
        if (name == "type") return take_word(ahead, type);
        if (name == "index") return take_number(ahead, index, there);
        return ahead.skip_value();
    });
    if (!looked || type.empty()) return cursor.fail_here("an event without its type");
    front_ = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",";
    end_ = "}\n\n";
    const bool begins = type == "content_block_start";
    if (type == "content_block_stop") end_group(index);
    if (type == "message_delta" || type == "message_stop" || type == "error") end_all();
    return each_member(cursor, [&](std::string_view name) {
        const bool is_object = cursor.peek() == '{';
        if (is_object && begins && name == "content_block") return read_block(cursor, index, true);
        if (is_object && type == "content_block_delta" && name == "delta") return read_block(cursor, index, false);
        if (is_object && type == "message_delta" && name == "delta") return read_stop_reason(cursor);
        return cursor.skip_value();
    });
}

/// A block's beginning, or more of it.
bool EventTexts::read_block(Cursor& cursor, uint64_t index, bool begins) {
    std::string_view type;
    const bool looked = look_at_members(cursor, [&](Cursor& ahead, std::string_view name) {
        return name == "type" ? take_word(ahead, type) : ahead.skip_value();
    });
    if (!looked) return cursor.fail_here("a block cannot be read");
    // A thought is whole when its seal comes, and citations come whole.
    if (type == "signature_delta") end_group(index);
    if (type == "signature_delta" || type == "citations_delta") return cursor.skip_value();
    group_ = index;
    return each_member(cursor, [&](std::string_view name) {
        const bool goes_on = begins ? name == "text" || name == "thinking" : name != "type" && name != "signature";
        if (!goes_on || cursor.peek() != '"') return cursor.skip_value();
        key_ = fmt::format("{}/{}", index, name);
        const std::string_view delta_type = !begins ? type : name == "text" ? "text_delta" : "thinking_delta";
        before_ = fmt::format(R"("index":{},"delta":{{"type":"{}","{}":")", index, delta_type, name);
        behind_ = "\"}";
        return add_text(cursor, cursor.take_string());
    });
}

bool EventTexts::read_stop_reason(Cursor& cursor) {
    return each_member(cursor, [&](std::string_view name) {
        if (name != "stop_reason" || cursor.peek() != '"') return cursor.skip_value();
        filtered_.push_back({cursor.take_string(), "\"refusal\""});
        return true;
    });
}

// Gemini.

bool EventTexts::read_gemini(Cursor& cursor) {
    bool fails = false;
    const bool good = each_member(cursor, [&](std::string_view name) {
        if (name == "responseId") return keep_word(cursor, id_);
        if (name == "modelVersion") return keep_word(cursor, model_);
        if (name == "error") fails = true;
        if (name != "candidates" || cursor.peek() != '[') return cursor.skip_value();
        return cursor.each_element([&] { return read_candidate(cursor); });
    });
    if (!good) return false;
    if (fails) end_all();
    front_ = R"(data: {"candidates":[)";
    end_ = "]";
    if (!model_.empty()) end_.append(",\"modelVersion\":").append(model_);
    if (!id_.empty()) end_.append(",\"responseId\":").append(id_);
    end_ += "}\n\n";
    return true;
}

bool EventTexts::read_candidate(Cursor& cursor) {
    if (cursor.peek() != '{') return cursor.skip_value();
    uint64_t index = 0;
    bool there = false, finished = false;
    const bool looked = look_at_members(cursor, [&](Cursor& ahead, std::string_view name) {
        if (name == "index") return take_number(ahead, index, there);
        if (name == "finishReason") return take_end(ahead, finished);
        return ahead.skip_value();
    });
    if (!looked) return cursor.fail_here("a candidate cannot be read");
    const bool good = each_member(cursor, [&](std::string_view name) {
        if (name == "finishReason" && cursor.peek() == '"') {
            filtered_.push_back({cursor.take_string(), "\"SAFETY\""});
            return true;
        }
        if (name == "logprobsResult") return add_repeat(cursor, "{}");
        if (name != "content" || cursor.peek() != '{') return cursor.skip_value();
        return each_member(cursor, [&](std::string_view member) {
            if (member != "parts" || cursor.peek() != '[') return cursor.skip_value();
            return cursor.each_element([&] { return read_part(cursor, index); });
        });
    });
    if (good && finished) end_group(index);
    return good;
}

/// Parts follow each other: where another kind begins, the one before has ended.
bool EventTexts::read_part(Cursor& cursor, uint64_t index) {
    if (cursor.peek() != '{') return cursor.skip_value();
    bool is_thought = false, is_text = false, is_cut = false;
    const bool looked = look_at_members(cursor, [&](Cursor& ahead, std::string_view name) {
        is_thought |= name == "thought" && ahead.is_true();
        is_text |= name == "text" && ahead.peek() == '"';
        if (name != "functionCall" || ahead.peek() != '{') return ahead.skip_value();
        return each_member(ahead, [&](std::string_view member) {
            is_cut |= member == "partialArgs";
            return ahead.skip_value();
        });
    });
    // Arguments that come in pieces: nobody here knows how these go on with each other.
    if (!looked || is_cut) return cursor.fail_here("a part cannot be read");
    group_ = index;
    key_ = is_text ? fmt::format("{}/{}", index, is_thought ? "thought" : "text") : std::string();
    end_others_of(index, key_);
    before_ = R"({"content":{"parts":[{"text":")";
    behind_ = fmt::format(R"("{}}}],"role":"model"}},"index":{}}})", is_thought ? R"(,"thought":true)" : "", index);
    return each_member(cursor, [&](std::string_view name) {
        if (name != "text" || cursor.peek() != '"') return cursor.skip_value();
        return add_text(cursor, cursor.take_string());
    });
}

// OpenAI's Responses.

bool EventTexts::read_responses(Cursor& cursor) {
    const Cursor event = cursor;
    std::string_view type;
    uint64_t output = 0;
    bool has_output = false;
    const bool looked = look_at_members(cursor, [&](Cursor& ahead, std::string_view name) {
        if (name == "type") return take_word(ahead, type);
        if (name == "output_index") return take_number(ahead, output, has_output);
        if (name != "sequence_number") return ahead.skip_value();
        number_at_.offset = ahead.offset();
        if (!take_number(ahead, number_, numbered_)) return false;
        number_at_.length = ahead.last_end() - number_at_.offset;
        return true;
    });
    if (!looked || type.empty()) return cursor.fail_here("an event without its type");
    group_ = output;
    const bool completed = type == "response.completed";
    const bool whole = completed || type == "response.incomplete" || type == "response.failed";
    const bool is_audio = type.ends_with("audio.delta");
    std::string_view base = type;
    if (type.ends_with(".delta")) base.remove_suffix(6);
    if (type.ends_with(".done")) {
        is_summary_ = true;
        base.remove_suffix(5);
        name_response_slot(event, type, base);
        for (uint32_t i = 0; i < slots_max; ++i)
            if (slots_[i].open && slots_[i].key == key_) end_slot(i);
        if (type == "response.output_item.done" || type == "response.content_part.done") end_group(output);
    }
    if (whole || type == "error") end_all();
    is_summary_ |= whole;
    if (completed) filtered_name_ = "response.incomplete";
    return each_member(cursor, [&](std::string_view name) {
        if (name == "delta" && cursor.peek() == '"' && base != type && !is_audio) {
            name_response_slot(event, type, base);
            return add_text(cursor, cursor.take_string());
        }
        if (name == "logprobs") return add_repeat(cursor, cursor.peek() == '[' ? "[]" : "null");
        if (name == "type" && completed) {
            filtered_.push_back({cursor.take_string(), "\"response.incomplete\""});
            return true;
        }
        if (name == "response" && whole && cursor.peek() == '{') return read_response_object(cursor, completed);
        return seek_repeats(cursor);
    });
}

/// The one that an event of this kind goes on with, or ends.
void EventTexts::name_response_slot(const Cursor& event, std::string_view type, std::string_view base) {
    constexpr std::string_view places[] = {"item_id", "output_index", "content_index", "summary_index"};
    key_ = base;
    before_.clear();
    (void)look_at_members(event, [&](Cursor& ahead, std::string_view name) {
        Range range;
        if (!ahead.skip_value(range)) return false;
        if (!is_among(name, places) || range.length > word_bytes_max) return true;
        const std::string_view word = text_of(ahead.text(), range);
        key_.append("/").append(name).append("=").append(word);
        before_ += fmt::format("\"{}\":{},", name, word);
        return true;
    });
    before_.insert(0, fmt::format("event: {0}.delta\ndata: {{\"type\":\"{0}.delta\",", base));
    before_ += "\"delta\":\"";
    behind_ = type.contains("output_text") ? R"(","logprobs":[])" : "\"";
    end_ = "}\n\n";
}

bool EventTexts::read_response_object(Cursor& cursor, bool completed) {
    constexpr std::string_view details = R"({"reason":"content_filter"})";
    constexpr std::string_view status = R"("incomplete")";
    constexpr std::string_view status_and_details = R"("incomplete","incomplete_details":{"reason":"content_filter"})";
    bool has_details = false;
    const bool looked = look_at_members(cursor, [&](Cursor& ahead, std::string_view name) {
        has_details |= name == "incomplete_details";
        return ahead.skip_value();
    });
    if (!looked) return cursor.fail_here("a response cannot be read");
    return each_member(cursor, [&](std::string_view name) {
        if (name == "status" && completed && cursor.peek() == '"') {
            filtered_.push_back({cursor.take_string(), has_details ? status : status_and_details});
            return true;
        }
        if (name == "incomplete_details") {
            Range range;
            if (!cursor.skip_value(range)) return false;
            filtered_.push_back({range, details});
            return true;
        }
        return seek_repeats(cursor);
    });
}

}  // namespace loom::llm
