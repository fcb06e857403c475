#include <algorithm>
#include <array>
#include <charconv>

#include "openai_chat.h"

namespace loom::llm::openai_chat {

namespace {

bool says_nothing(std::string_view value) noexcept {
    if (value == "null" || value == "false" || value == R"("")") return true;
    if (value.front() != '[' && value.front() != '{') return false;
    return value.substr(1, value.size() - 2).find_first_not_of(" \t\r\n") == value.npos;
}

Text media_type_of_format(Text format, Arena& arena) {
    if (format == "mp3") return "audio/mpeg";
    constexpr std::string_view front = "audio/";
    char* const room = arena.take(front.size() + format.size());
    char* const end = std::copy(front.begin(), front.end(), room);
    std::copy(format.begin(), format.end(), end);
    return {room, front.size() + format.size()};
}

class MessageReader {
  public:
    MessageReader(Cursor& cursor, Context& context, Noted noted, ReadMessage& message) noexcept
        : cursor_(cursor), context_(context), noted_(noted), message_(message) {}

    bool read() {
        if (cursor_.peek() != '{') return cursor_.fail_here("a message must be an object");
        if (!each([&](std::string_view name) { return read_member(name); })) return false;
        assemble();
        return true;
    }

  private:
    template <class OnMember>
    bool each(OnMember&& on_member) {
        return cursor_.each_member([&](Range key) { return on_member(name_of(cursor_, key)); });
    }
    /// A list of objects; what else stands in it is skipped.
    template <class OnObject>
    bool each_object(OnObject&& on_object) {
        return cursor_.each_element([&] { return cursor_.peek() == '{' ? on_object() : cursor_.skip_value(); });
    }
    bool lose(std::string_view where, std::string_view name) {
        if (noted_ == Noted::no) return cursor_.skip_value();
        return skip_lost(cursor_, context_, where, name);
    }
    Part& add(ArenaList<Part>& parts, Part::Kind kind, Text text = {}) {
        Part& part = parts.add(context_.arena);
        part.kind = kind;
        part.text = text;
        return part;
    }

    bool read_member(std::string_view name) {
        if (name == "role") return take_text(cursor_, message_.role);
        if (name == "content") return read_content();
        if (name == "name") return take_text(cursor_, message_.name);
        if (name == "tool_call_id") return take_text(cursor_, message_.tool_call_id);
        if (name == "tool_calls" && cursor_.peek() == '[') return each_object([&] { return read_tool_call(); });
        if (name == "function_call" && cursor_.peek() == '{') return read_function_call();
        if (name == "refusal") return take_text(cursor_, refusal_);
        if (name == "reasoning_content") return take_text(cursor_, reasoning_content_);
        if (name == "reasoning") return take_text(cursor_, reasoning_);
        if (name == "thinking_blocks" && cursor_.peek() == '[') return each_object([&] { return read_thinking(); });
        if (name == "extra_content") return read_extra_content(cursor_, signature_);
        if (name == "cache_control") return take_json(cursor_, cache_control_);
        if (name == "annotations" && cursor_.peek() == '[') return read_annotations();
        if (name == "images" && cursor_.peek() == '[') return each_object([&] { return read_part(); });
        if (name == "audio" && cursor_.peek() == '{') return read_audio();
        return lose("messages[].", name);
    }

    /// SDKs send back the empty list that the answer had.
    bool read_annotations() {
        if (!take_json(cursor_, annotations_)) return false;
        if (says_nothing(annotations_)) annotations_ = {};
        return true;
    }

    bool read_content() {
        if (cursor_.peek() == '"') {
            Text text;
            if (!take_text(cursor_, text)) return false;
            add(content_, Part::Kind::text, text);
            return true;
        }
        if (cursor_.is_null()) return cursor_.skip_value();
        if (cursor_.peek() != '[') return cursor_.fail_here("'content' must be a string or a list of parts");
        return cursor_.each_element([&] {
            if (cursor_.peek() == '{') return read_part();
            if (cursor_.peek() != '"') return cursor_.fail_here("a part of 'content' must be an object");
            Text text;  // some clients put strings among the parts
            if (!take_text(cursor_, text)) return false;
            add(content_, Part::Kind::text, text);
            return true;
        });
    }

    bool read_part() {
        Part part;
        Text type;
        const uint32_t offset = cursor_.offset();
        if (!each([&](std::string_view name) { return read_part_member(name, part, type); })) return false;
        using Kind = Part::Kind;
        if (type == "text" || type == "input_text" || type == "output_text") {
            part.kind = Kind::text;
        } else if (type == "refusal") {
            part.kind = Kind::refusal;
        } else if (type == "thinking") {  // Mistral's
            add(thinking_, Kind::thinking, part.text).signature = part.signature;
            return true;
        } else if (type == "image_url") {
            part.kind = Kind::image;
        } else if (type == "input_audio") {
            part.kind = Kind::audio;
        } else if (type == "file") {
            part.kind = Kind::file;
        } else if (type == "video_url") {
            part.kind = Kind::video;
        } else {
            return cursor_.fail_at(offset,
                                   "a part of 'content' must have a known 'type': text, image_url, input_audio, "
                                   "file or refusal");
        }
        const bool is_media = part.kind != Kind::text && part.kind != Kind::refusal;
        if (is_media ? !has(part.media.data) : !has(part.text))
            return cursor_.fail_at(offset, "a part of 'content' lacks what its 'type' promises");
        content_.add(context_.arena, part);
        return true;
    }

    bool read_part_member(std::string_view name, Part& part, Text& type) {
        if (name == "type") return take_text(cursor_, type);
        if (name == "text" || name == "refusal") return take_text(cursor_, part.text);
        if (name == "thinking") return read_mistral_thinking(part);
        if (name == "signature") return take_text(cursor_, part.signature);
        if (name == "image_url" || name == "video_url") return read_url(part.media);
        if (name == "input_audio" && cursor_.peek() == '{') return read_input_audio(part.media);
        if (name == "file" && cursor_.peek() == '{') return read_file(part.media);
        if (name == "cache_control") return take_json(cursor_, part.cache_control);
        return lose("messages[].content[].", name);
    }

    /// A string, or the parts of one.
    bool read_mistral_thinking(Part& part) {
        if (cursor_.peek() != '[') return take_text(cursor_, part.text);
        ArenaList<Part> texts;
        const bool good = each_object([&] {
            Part& piece = texts.add(context_.arena);
            return each([&](std::string_view name) {
                return name == "text" ? take_text(cursor_, piece.text) : cursor_.skip_value();
            });
        });
        part.text = joined_text(texts, "", context_.arena);
        return good;
    }

    bool read_url(Media& media) {
        if (cursor_.peek() == '"') return take_url(media);  // as Mistral spells it
        if (cursor_.peek() != '{') return cursor_.skip_value();
        return each([&](std::string_view name) {
            if (name == "url") return take_url(media);
            if (name == "detail") return take_detail(media);
            return lose("messages[].content[].", name);
        });
    }
    bool take_url(Media& media) {
        Text url;
        if (!take_text(cursor_, url)) return false;
        if (!has(url) || split_data_url(url, media)) return true;
        media.source = Media::Source::url;
        media.data = url;
        return true;
    }
    bool take_detail(Media& media) {
        if (!take_text(cursor_, media.detail)) return false;
        if (media.detail == "auto") media.detail = {};  // which is the default
        return true;
    }

    bool read_input_audio(Media& media) {
        media.source = Media::Source::base64;
        return each([&](std::string_view name) {
            if (name == "data") return take_text(cursor_, media.data);
            if (name != "format") return lose("messages[].content[].", name);
            Text format;
            if (!take_text(cursor_, format)) return false;
            if (has(format)) media.media_type = media_type_of_format(format, context_.arena);
            return true;
        });
    }

    bool read_file(Media& media) {
        return each([&](std::string_view name) {
            if (name == "filename") return take_text(cursor_, media.name);
            if (name == "file_id") return take_file_id(media);
            if (name != "file_data") return lose("messages[].content[].", name);
            Text data;
            if (!take_text(cursor_, data)) return false;
            if (!has(data) || split_data_url(data, media)) return true;
            media.source = Media::Source::base64;
            media.data = data;
            return true;
        });
    }
    bool take_file_id(Media& media) {
        Text id;
        if (!take_text(cursor_, id)) return false;
        if (!has(id)) return true;
        media.source = Media::Source::file_id;
        media.data = id;
        return true;
    }

    /// Of a request: the id of what the model said before. Of an answer: what it says.
    bool read_audio() {
        Part part{.kind = Part::Kind::audio};
        Text id;
        const bool good = each([&](std::string_view name) {
            if (name == "id") return take_text(cursor_, id);
            if (name == "data") return take_text(cursor_, part.media.data);
            if (name == "transcript") return take_text(cursor_, part.text);
            return cursor_.skip_value();
        });
        if (!good) return false;
        if (!has(part.media.data)) {
            part.media.source = Media::Source::file_id;
            part.media.data = id;
        }
        if (has(part.media.data)) content_.add(context_.arena, part);
        return true;
    }

    bool read_thinking() {
        Part part;
        if (!read_thinking_block(cursor_, part)) return false;
        if (part.kind == Part::Kind::redacted_thinking || has(part.text) || has(part.signature))
            thinking_.add(context_.arena, part);
        return true;
    }

    bool read_tool_call() {
        Part call{.kind = Part::Kind::tool_call};
        Text type;
        const bool good = each([&](std::string_view name) {
            if (name == "id") return take_text(cursor_, call.tool_id);
            if (name == "type") return take_text(cursor_, type);
            if ((name == "function" || name == "custom") && cursor_.peek() == '{') return read_function(call);
            if (name == "extra_content") return read_extra_content(cursor_, call.signature);
            return name == "index" ? cursor_.skip_value() : lose("messages[].tool_calls[].", name);
        });
        if (!good) return false;
        if (type == "custom" && noted_ == Noted::yes) context_.losses.add("messages[].tool_calls[].custom");
        finish_call(call);
        return true;
    }
    bool read_function_call() {
        Part call{.kind = Part::Kind::tool_call};
        if (!read_function(call)) return false;
        message_.legacy_call = true;
        finish_call(call);
        return true;
    }
    bool read_function(Part& call) {
        return each([&](std::string_view name) {
            if (name == "name") return take_text(cursor_, call.tool_name);
            if (name == "input") return take_text(cursor_, call.arguments_text);
            if (name != "arguments") return lose("messages[].tool_calls[].", name);
            // A string by the book; some servers say the object itself.
            return cursor_.peek() == '{' ? take_json(cursor_, call.arguments) : take_text(cursor_, call.arguments_text);
        });
    }
    void finish_call(Part& call) {
        if (!has(call.arguments) && !has(call.arguments_text)) call.arguments_text = "";
        calls_.add(context_.arena, call);
    }

    /// Their places are counted in all of the content, which a part is only where it is the one text.
    void attach_annotations() {
        if (!has(annotations_)) return;
        Part* text = nullptr;
        uint32_t text_count = 0;
        for (Part& part : message_.parts) {
            if (part.kind != Part::Kind::text) continue;
            text = &part;
            text_count += 1;
        }
        if (text_count != 1) return context_.losses.add("annotations");
        text->citations = annotations_;
    }

    /// Members may stand in any order; the parts do not.
    void assemble() {
        const bool is_assistant = message_.role == "assistant" || noted_ == Noted::no;
        add_thinking();
        for (Part& part : content_) {
            // Beside calls an empty text says nothing, and Anthropic refuses it.
            const bool is_empty = part.kind == Part::Kind::text && part.text.empty();
            if (!is_empty || !(is_assistant || message_.role == "tool")) message_.parts.add(context_.arena, part);
        }
        if (!message_.parts.empty()) {
            Part& last = message_.parts.back();
            if (!has(last.cache_control)) last.cache_control = cache_control_;
            if (last.kind == Part::Kind::text) last.signature = signature_;
        }
        attach_annotations();
        if (has(refusal_) && !refusal_.empty()) add(message_.parts, Part::Kind::refusal, refusal_);
        for (const Part& call : calls_) message_.parts.add(context_.arena, call);
    }
    /// `reasoning_content` is the text of the blocks once more, or of the one block that was streamed without it.
    void add_thinking() {
        const Text text = has(reasoning_content_) && !reasoning_content_.empty() ? reasoning_content_ : reasoning_;
        if (thinking_.empty()) {
            if (has(text) && !text.empty()) add(message_.parts, Part::Kind::thinking, text);
            return;
        }
        for (const Part& block : thinking_) {
            Part& part = message_.parts.add(context_.arena, block);
            const bool lacks_text = block.kind == Part::Kind::thinking && block.text.empty();
            if (lacks_text && thinking_.count() == 1 && has(text)) part.text = text;
        }
    }

    Cursor& cursor_;
    Context& context_;
    Noted noted_;
    ReadMessage& message_;
    Text refusal_;
    Text reasoning_content_;
    Text reasoning_;
    Text signature_;
    Json cache_control_;
    Json annotations_;
    ArenaList<Part> content_;
    ArenaList<Part> thinking_;
    ArenaList<Part> calls_;
};

}  // namespace

bool skip_lost(Cursor& cursor, Context& context, std::string_view where, std::string_view name) {
    Range range;
    if (!cursor.skip_value(range)) return false;
    if (says_nothing(text_of(cursor.text(), range))) return true;
    std::array<char, 96> room;
    const size_t where_bytes = where.copy(room.data(), room.size());
    const size_t name_bytes = name.copy(room.data() + where_bytes, room.size() - where_bytes);
    context.losses.add({room.data(), where_bytes + name_bytes});
    return true;
}

bool read_message(Cursor& cursor, Context& context, Noted noted, ReadMessage& message) {
    return MessageReader(cursor, context, noted, message).read();
}

bool read_extra_content(Cursor& cursor, Text& signature) {
    if (cursor.peek() != '{') return cursor.skip_value();
    return cursor.each_member([&](Range key) {
        if (name_of(cursor, key) != "google" || cursor.peek() != '{') return cursor.skip_value();
        return cursor.each_member([&](Range inner) {
            return name_of(cursor, inner) == "thought_signature" ? take_text(cursor, signature) : cursor.skip_value();
        });
    });
}

bool read_thinking_block(Cursor& cursor, Part& part) {
    part.kind = Part::Kind::thinking;
    Text data;
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "thinking") return take_text(cursor, part.text);
        if (name == "signature") return take_text(cursor, part.signature);
        return name == "data" ? take_text(cursor, data) : cursor.skip_value();
    });
    if (!has(data)) return good;
    part.kind = Part::Kind::redacted_thinking;
    part.text = data;
    return good;
}

bool read_error_value(Cursor& cursor, Context& context, ErrorAnswer& error) {
    if (cursor.peek() != '{') return take_text(cursor, error.message);
    return cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "message") return take_text(cursor, error.message);
        if (name == "type") return take_text(cursor, error.type);
        if (name == "status") return take_text(cursor, error.type);  // Google's word, where it speaks OpenAI
        if (name == "param") return take_text(cursor, error.param);
        if (name != "code") return cursor.skip_value();
        return cursor.is_number() ? take_json(cursor, error.code) : take_text(cursor, error.code);
    });
}

Text made_call_id(uint32_t choice, uint32_t ordinal, Context& context) {
    constexpr std::string_view front = "call_";
    constexpr size_t number_bytes_max = 10;
    const Text id = escaped(context.terms.fallback_id, context.arena);
    char* const room = context.arena.take(front.size() + id.size() + 2 * (1 + number_bytes_max));
    char* end = std::copy(id.begin(), id.end(), std::copy(front.begin(), front.end(), room));
    for (const uint32_t number : {choice, ordinal}) {
        *end++ = '_';
        end = std::to_chars(end, end + number_bytes_max, number).ptr;
    }
    return {room, static_cast<size_t>(end - room)};
}

FinishReason finish_of(std::string_view word, bool has_refusal) noexcept {
    if (word == "stop" || word == "eos") return has_refusal ? FinishReason::refusal : FinishReason::stop;
    if (word == "length" || word == "model_length") return FinishReason::length;
    if (word == "tool_calls" || word == "function_call") return FinishReason::tool_calls;
    if (word == "content_filter") return FinishReason::content_filter;
    if (word == "error" || word == "insufficient_system_resource") return FinishReason::error;
    return FinishReason::other;
}

}  // namespace loom::llm::openai_chat
