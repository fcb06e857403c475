#include <algorithm>
#include <utility>

#include "loom/llm/json_text.h"
#include "openai_chat.h"
#include "usage_object.h"

namespace loom::llm::openai_chat {

namespace {

using Kind = Part::Kind;

class AnswerReader {
  public:
    AnswerReader(Cursor& cursor, Context& context, ChatAnswer& answer) noexcept
        : cursor_(cursor), context_(context), answer_(answer) {}

    bool read() {
        if (cursor_.peek() != '{') return cursor_.fail_here("the answer is not a JSON object");
        bool has_choices = false;
        const bool good = cursor_.each_member([&](Range key) {
            const std::string_view name = name_of(cursor_, key);
            has_choices |= name == "choices";
            return read_member(name);
        });
        if (!good) return false;
        if (!cursor_.at_end()) return cursor_.fail_here("there are bytes behind the answer");
        return has_choices || cursor_.fail_here("the answer has no 'choices'");
    }

  private:
    bool read_member(std::string_view name) {
        if (name == "id") return take_text(cursor_, answer_.id);
        if (name == "model") return take_text(cursor_, answer_.model);
        if (name == "created") return cursor_.take_count(answer_.created) || cursor_.skip_value();
        if (name == "service_tier") return take_text(cursor_, answer_.service_tier);
        bool found = false;
        if (name == "usage" && cursor_.peek() == '{') return read_usage_object(cursor_, answer_.usage, found);
        if (name != "choices" || cursor_.peek() != '[') return cursor_.skip_value();
        answer_.choices = {};
        return cursor_.each_element([&] { return read_choice(); });
    }
    bool read_choice() {
        if (cursor_.peek() != '{') return cursor_.fail_here("a choice must be an object");
        Choice& choice = answer_.choices.add(context_.arena);
        choice.index = answer_.choices.count() - 1;
        ReadMessage message;
        const bool good = cursor_.each_member([&](Range key) {
            const std::string_view name = name_of(cursor_, key);
            uint64_t index = 0;
            if (name == "message" && cursor_.peek() == '{') return read_message(cursor_, context_, Noted::no, message);
            if (name == "finish_reason") return take_text(cursor_, choice.finish_text);
            if (name == "stop_reason") return take_text(cursor_, choice.stop_sequence);  // vLLM: the one that matched
            if (name == "logprobs") return take_json(cursor_, choice.logprobs);
            if (name != "index" || !cursor_.take_count(index)) return cursor_.skip_value();
            choice.index = static_cast<uint32_t>(std::min<uint64_t>(index, UINT32_MAX));
            return true;
        });
        if (!good) return false;
        choice.parts = message.parts;
        finish(choice);
        return true;
    }
    void finish(Choice& choice) {
        bool has_refusal = false;
        uint32_t ordinal = 0;
        for (Part& part : choice.parts) {
            has_refusal |= part.kind == Kind::refusal;
            if (part.kind != Kind::tool_call) continue;
            part.tool_name = context_.aliases.original_of(part.tool_name);
            if (!has(part.tool_id) || part.tool_id.empty())
                part.tool_id = made_call_id(choice.index, ordinal, context_);
            ordinal += 1;
        }
        if (!has(choice.finish_text)) return;
        choice.finish = finish_of(choice.finish_text, has_refusal);
        if (has(choice.stop_sequence) && choice.finish == FinishReason::stop)
            choice.finish = FinishReason::stop_sequence;
    }
    Cursor& cursor_;
    Context& context_;
    ChatAnswer& answer_;
};

class AnswerWriter {
  public:
    AnswerWriter(const ChatAnswer& answer, Context& context, ByteBuffer& out) noexcept
        : answer_(answer), context_(context), json_(out) {}

    void write() {
        const TranslateTerms& terms = context_.terms;
        json_.open_object();
        json_.key("id");
        has(answer_.id) && !answer_.id.empty() ? json_.text(answer_.id) : json_.string(terms.fallback_id);
        json_.member_string("object", "chat.completion");
        json_.member_number("created", answer_.created != 0 ? answer_.created : terms.created);
        json_.member_string("model", terms.client_model);
        json_.key("choices");
        json_.open_array();
        for (const Choice& choice : answer_.choices) write_choice(choice);
        json_.close_array();
        if (answer_.usage.provenance != Usage::Provenance::none) write_usage(answer_.usage, json_);
        json_.member("service_tier", answer_.service_tier);
        json_.close_object();
    }

  private:
    void write_choice(const Choice& choice) {
        const auto has_kind = [&](Kind kind) {
            return std::ranges::find(choice.parts, kind, &Part::kind) != choice.parts.end();
        };
        const bool legacy = context_.aliases.legacy_functions && has_kind(Kind::tool_call);
        json_.open_object();
        json_.member_number("index", choice.index);
        json_.key("message");
        write_message(choice.parts, legacy);
        json_.key("logprobs");
        has(choice.logprobs) ? json_.json(choice.logprobs) : json_.null();
        const std::string_view word = finish_word(choice.finish, has_kind(Kind::tool_call), has_kind(Kind::refusal));
        json_.member_string("finish_reason", legacy && word == "tool_calls" ? "function_call" : word);
        json_.close_object();
    }
    void write_message(const ArenaList<Part>& parts, bool legacy) {
        json_.open_object();
        json_.member_string("role", "assistant");
        write_said(parts);
        write_thinking(parts, context_, json_);
        write_annotations(parts);
        legacy ? write_function_call(parts) : write_calls(parts);
        write_media(parts);
        write_extra_content(text_signature_of(parts), json_);
        json_.close_object();
    }
    void write_said(const ArenaList<Part>& parts) {
        Text refusal;
        ArenaList<Part> texts;
        for (const Part& part : parts) {
            if (part.kind == Kind::text && !part.thought) texts.add(context_.arena, part);
            if (part.kind == Kind::refusal) refusal = part.text;
        }
        json_.key("content");
        texts.empty() ? json_.null() : json_.text(joined_text(texts, "", context_.arena));
        json_.key("refusal");
        has(refusal) ? json_.text(refusal) : json_.null();
    }

    void write_annotations(const ArenaList<Part>& parts) {
        if (std::ranges::none_of(parts, [](const Part& part) { return has(part.citations); })) return;
        bool is_open = false;
        Span place;  // of a part in the content, which is all texts in a row
        for (const Part& part : parts) {
            if (part.kind != Kind::text || part.thought) continue;
            const ArenaList<Json> citations = citations_in(part.citations, context_);
            if (!citations.empty() && !std::exchange(is_open, true)) {
                json_.key("annotations");
                json_.open_array();
            }
            place = {place.end, place.end + code_points(part.text)};
            for (const Json citation : citations)
                if (!write_annotation(citation, place, context_, json_)) context_.losses.add("citations");
        }
        if (is_open) json_.close_array();
    }

    void write_calls(const ArenaList<Part>& parts) {
        if (std::ranges::find(parts, Kind::tool_call, &Part::kind) == parts.end()) return;
        json_.key("tool_calls");
        json_.open_array();
        for (const Part& part : parts)
            if (part.kind == Kind::tool_call) write_call(part);
        json_.close_array();
    }
    void write_call(const Part& call) {
        json_.open_object();
        json_.member("id", call.tool_id);
        json_.member_string("type", "function");
        json_.key("function");
        write_function(call);
        write_extra_content(call.signature, json_);
        json_.close_object();
    }
    void write_function(const Part& call) {
        json_.open_object();
        json_.key("name");
        json_.text(call.tool_name);
        json_.key("arguments");
        write_arguments(call, json_);
        json_.close_object();
    }
    /// There is room for one.
    void write_function_call(const ArenaList<Part>& parts) {
        uint32_t count = 0;
        for (const Part& part : parts) {
            if (part.kind != Kind::tool_call || count++ > 0) continue;
            json_.key("function_call");
            write_function(part);
        }
        if (count > 1) context_.losses.add("tool_calls");
    }

    void write_media(const ArenaList<Part>& parts) {
        const auto is_image = [](const Part& part) { return part.kind == Kind::image; };
        if (std::ranges::any_of(parts, is_image)) {
            json_.key("images");
            json_.open_array();
            for (const Part& part : parts)
                if (is_image(part)) write_image_url(part.media, json_);
            json_.close_array();
        }
        for (const Part& part : parts) {
            if (part.kind == Kind::audio && part.media.source == Media::Source::base64) return write_audio(part);
            if (part.kind == Kind::video || part.kind == Kind::file) context_.losses.add("content");
        }
    }
    void write_audio(const Part& part) {
        json_.key("audio");
        json_.open_object();
        json_.member_string("id", context_.terms.fallback_id);
        json_.member("data", part.media.data);
        json_.member_number("expires_at", answer_.created != 0 ? answer_.created : context_.terms.created);
        json_.key("transcript");
        json_.text(part.text);
        json_.close_object();
    }

    const ChatAnswer& answer_;
    Context& context_;
    JsonOut json_;
};

/// The shapes that are about: {"error":{…}}, {"error":"…"}, [{"error":{…}}], {"message":…,"type":…}, {"detail":…}.
bool read_error_document(Cursor& cursor, Context& context, ErrorAnswer& error) {
    if (cursor.peek() == '[') {
        return cursor.each_element([&] {
            if (has(error.message) || cursor.peek() != '{') return cursor.skip_value();
            return read_error_document(cursor, context, error);
        });
    }
    ErrorAnswer flat;
    Json detail;
    const bool good = cursor.each_member([&](Range key) {
        const std::string_view name = name_of(cursor, key);
        if (name == "error") return read_error_value(cursor, context, error);
        if (name == "message") return take_text(cursor, flat.message);
        if (name == "type") return take_text(cursor, flat.type);
        if (name == "param") return take_text(cursor, flat.param);
        if (name == "code") return cursor.is_number() ? take_json(cursor, flat.code) : take_text(cursor, flat.code);
        return name == "detail" ? take_json(cursor, detail) : cursor.skip_value();
    });
    if (!good) return false;
    if (!has(error.message)) error.message = flat.message;
    if (!has(error.type)) error.type = flat.type;
    if (!has(error.param)) error.param = flat.param;
    if (!has(error.code)) error.code = flat.code;
    if (has(error.message) || !has(detail)) return true;
    error.message = detail.starts_with('"') ? detail.substr(1, detail.size() - 2) : escaped(detail, context.arena);
    return true;
}

constexpr size_t error_body_bytes_max = 512;  // of one that is not understood

}  // namespace

Result<void> read_answer(std::string_view body, Context& context, ChatAnswer& answer) {
    Tokens tokens;
    Fault fault;
    if (context.structure.index(body, Structure::Utf8::checked, tokens, fault)) {
        Cursor cursor(body, tokens);
        if (AnswerReader(cursor, context, answer).read()) return {};
        fault = cursor.fault();
    }
    context.error_offset = fault.offset;
    return fail(Errc::bad_message, Side::upstream, fault.what);
}

void write_answer(const ChatAnswer& answer, Context& context, ByteBuffer& out) {
    AnswerWriter(answer, context, out).write();
}

void read_error(std::string_view body, Context& context, ErrorAnswer& error) {
    Tokens tokens;
    Fault fault;
    ErrorAnswer read{.status = error.status};
    if (context.structure.index(body, Structure::Utf8::checked, tokens, fault)) {
        Cursor cursor(body, tokens);
        const bool is_container = cursor.peek() == '{' || cursor.peek() == '[';
        if (is_container && read_error_document(cursor, context, read) && cursor.at_end() && has(read.message)) {
            error = read;
            return;
        }
    }
    error.message = escaped(body.substr(0, utf8_cut(body, std::min(body.size(), error_body_bytes_max))), context.arena);
}

void write_error(const ErrorAnswer& error, ByteBuffer& out) {
    JsonOut json(out);
    json.open_object();
    json.key("error");
    write_error_value(error, json);
    json.close_object();
}

}  // namespace loom::llm::openai_chat
