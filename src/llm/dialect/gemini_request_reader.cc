#include <algorithm>
#include <charconv>

#include "gemini.h"
#include "reasoning.h"

namespace loom::llm::gemini {

namespace {

/// The calls of the model's last turn, for results that do not say which call they answer: Gemini matches them by name
/// and order. As many as a model makes at once; what is beyond gets an id of its own.
class OpenCalls {
  public:
    static constexpr uint32_t calls_max = 64;

    void clear() noexcept { count_ = 0; }
    void add(const Part& call) noexcept {
        if (count_ < calls_max) calls_[count_++] = {call.tool_id, call.tool_name, false};
    }
    /// Absent where no call of that name is open.
    [[nodiscard]] Text answer(Text name) noexcept {
        for (Call& call : std::span(calls_.data(), count_)) {
            if (call.answered || call.name != name) continue;
            call.answered = true;
            return call.id;
        }
        return {};
    }
    void answer_id(Text id) noexcept {
        for (Call& call : std::span(calls_.data(), count_))
            if (call.id == id) call.answered = true;
    }

  private:
    struct Call {
        Text id;
        Text name;
        bool answered;
    };
    std::array<Call, calls_max> calls_;
    uint32_t count_ = 0;
};

class RequestReader {
  public:
    RequestReader(Cursor& cursor, Context& context, ChatRequest& request) noexcept
        : cursor_(cursor), context_(context), request_(request) {}

    /// The members of a GenerateContentRequest.
    bool run() {
        return cursor_.each_member([&](Range key) { return member(FieldName(cursor_, key)); });
    }
    /// Once, when all of the document was read.
    void finish() {
        if (!system_.parts.empty()) request_.messages.add(context_.arena, system_);
        for (const Message& message : messages_) request_.messages.add(context_.arena, message);
        if (!has(request_.format.schema)) return;
        request_.format.kind = ResponseFormat::Kind::json_schema;
        request_.format.name = "response";  // others want one
    }
    [[nodiscard]] bool has_contents() const noexcept { return has_contents_; }
    [[nodiscard]] const char* unsupported() const noexcept { return unsupported_; }

  private:
    bool member(const FieldName& field) {
        context_.error_param = "";
        if (field == "contents") return contents();
        if (field == "systemInstruction") return system_instruction();
        if (field == "tools") {
            context_.error_param = "tools";
            return each_item(cursor_, [&] { return tool(); });
        }
        if (field == "toolConfig") return tool_config();
        if (field == "generationConfig") return generation_config();
        if (field == "model") return model();
        if (field == "serviceTier") return service_tier();
        if (field == "cachedContent") return cached_content();
        return lose(cursor_, context_, "", field.view());
    }

    bool model() {
        if (!take_text(cursor_, request_.model)) return false;
        if (request_.model.starts_with("models/")) request_.model.remove_prefix(7);
        return true;
    }

    bool service_tier() {
        Text tier;
        if (!take_text(cursor_, tier)) return false;
        if (has(tier) && tier != "unspecified") request_.service_tier = tier == "standard" ? "default" : tier;
        return true;
    }

    /// A part of the prompt that only Google has: an answer without it would be an answer to something else.
    bool cached_content() {
        Text name;
        const uint32_t begin = cursor_.offset();
        if (!take_text(cursor_, name)) return false;
        if (!has(name) || name.empty()) return true;
        context_.error_param = "cachedContent";
        unsupported_ = "cached content of Google's cannot be read by another provider";
        return cursor_.fail_at(begin, unsupported_);
    }

    // contents

    bool contents() {
        context_.error_param = "contents";
        return each_item(cursor_, [&] { return content(); });
    }

    bool content() {
        has_contents_ = true;
        Message message;
        const uint32_t begin = cursor_.offset();
        Text role;
        ArenaList<Part> parts;
        if (cursor_.peek() != '{') return cursor_.fail_here("an object is expected");
        const bool good = each_field(cursor_, [&](const FieldName& field) {
            if (field == "role") return take_text(cursor_, role);
            if (field == "parts") return each_item(cursor_, [&] { return part(parts); });
            return lose(cursor_, context_, "contents[].", field.view());
        });
        if (!good) return false;
        if (has(role) && role != "user" && role != "model" && role != "function" && !role.empty())
            return cursor_.fail_at(begin, "a content's role is user or model");
        message.role = role == "model" ? Role::assistant : Role::user;
        if (message.role == Role::assistant) open_calls_.clear();
        settle(parts, message);
        messages_.add(context_.arena, message);
        return true;
    }

    bool part(ArenaList<Part>& parts) {
        Part read;
        bool found = false;
        if (!read_part(cursor_, context_, "contents[].parts[].", read, found)) return false;
        if (found) parts.add(context_.arena, read);
        return true;
    }

    /// Gives calls and results their ids, and puts together what a stream has cut: a thinking, its signature behind it.
    void settle(const ArenaList<Part>& parts, Message& message) {
        ArenaList<Part> pieces;
        for (Part part : parts) {
            if (part.kind == Part::Kind::thinking) {
                pieces.add(context_.arena, part);
                if (has(part.signature)) join(pieces, message);
                continue;
            }
            join(pieces, message);
            if (part.kind == Part::Kind::tool_call) settle_call(part);
            if (part.kind == Part::Kind::tool_result) settle_result(part);
            message.parts.add(context_.arena, part);
        }
        join(pieces, message);
    }

    void join(ArenaList<Part>& pieces, Message& message) {
        if (pieces.empty()) return;
        Part whole = pieces.back();
        for (Part& piece : pieces) piece.kind = Part::Kind::text;
        whole.text = joined_text(pieces, "", context_.arena);
        message.parts.add(context_.arena, whole);
        pieces = {};
    }

    void settle_call(Part& call) {
        if (!has(call.tool_id) || call.tool_id.empty()) call.tool_id = next_id();
        open_calls_.add(call);
    }

    void settle_result(Part& result) {
        if (has(result.tool_id) && !result.tool_id.empty()) {
            open_calls_.answer_id(result.tool_id);
            return;
        }
        result.tool_id = open_calls_.answer(result.tool_name);
        if (!has(result.tool_id)) result.tool_id = next_id();
    }

    /// The same in every request of a conversation: providers' prompt caches know it again.
    Text next_id() {
        constexpr std::string_view front = "call_";
        char* const room = context_.arena.take(front.size() + 10);
        char* const digits = std::copy(front.begin(), front.end(), room);
        const auto end = std::to_chars(digits, digits + 10, ++made_ids_).ptr;
        return {room, static_cast<size_t>(end - room)};
    }

    /// A Content, or (as Google's servers take it) its text alone.
    bool system_instruction() {
        context_.error_param = "systemInstruction";
        system_ = {.role = Role::system};
        if (cursor_.peek() == '"') {
            Text text;
            if (!take_text(cursor_, text)) return false;
            system_.parts.add(context_.arena, {.text = text});
            return true;
        }
        return each_field(cursor_, [&](const FieldName& field) {
            if (field == "parts") return each_item(cursor_, [&] { return part(system_.parts); });
            return field == "role" ? cursor_.skip_value() : lose(cursor_, context_, "systemInstruction.", field.view());
        });
    }

    // tools

    bool tool() {
        return each_field(cursor_, [&](const FieldName& field) {
            if (field == "functionDeclarations") return each_item(cursor_, [&] { return function(); });
            return provider_tool(field);
        });
    }

    bool function() {
        Tool tool;
        const uint32_t begin = cursor_.offset();
        if (cursor_.peek() != '{') return cursor_.fail_here("an object is expected");
        const bool good = each_field(cursor_, [&](const FieldName& field) {
            if (field == "name") return take_text(cursor_, tool.name);
            if (field == "description") return take_text(cursor_, tool.description);
            if (field == "parameters") return read_schema(cursor_, context_, tool.schema);
            if (field == "parametersJsonSchema") return take_json(cursor_, tool.schema);
            return lose(cursor_, context_, "functionDeclarations[].", field.view());
        });
        if (!good) return false;
        if (!has(tool.name) || tool.name.empty()) return cursor_.fail_at(begin, "a function declaration has no name");
        request_.tools.add(context_.arena, tool);
        return true;
    }

    /// googleSearch, codeExecution, …: an object each, by the name that other protocols would give it.
    bool provider_tool(const FieldName& field) {
        Json options;
        if (!take_json(cursor_, options)) return false;
        if (!has(options)) return true;
        ArenaText type(context_.arena, 64), raw(context_.arena, 64);
        for (const char c : field.view()) {
            const bool upper = c >= 'A' && c <= 'Z';
            const char lower = upper ? static_cast<char>(c - 'A' + 'a') : c;
            type.append(upper ? "_" : "").append({&lower, 1});
        }
        raw.append("{\"").append(field.view()).append("\":").append(options).append("}");
        request_.tools.add(context_.arena, {.is_function = false, .type = type.view(), .raw = raw.view()});
        return true;
    }

    bool tool_config() {
        context_.error_param = "toolConfig";
        return each_field(cursor_, [&](const FieldName& field) {
            if (field == "functionCallingConfig") return calling_config();
            return lose(cursor_, context_, "toolConfig.", field.view());
        });
    }

    bool calling_config() {
        Text mode, only;
        uint32_t allowed_count = 0;
        const bool good = each_field(cursor_, [&](const FieldName& field) {
            if (field == "mode") return take_text(cursor_, mode);
            if (field != "allowedFunctionNames") return lose(cursor_, context_, "functionCallingConfig.", field.view());
            return each_item(cursor_, [&] {
                allowed_count += 1;
                return take_text(cursor_, only);
            });
        });
        set_choice(mode, only, allowed_count);
        return good;
    }

    void set_choice(Text mode, Text only, uint32_t allowed_count) {
        ToolChoice& choice = request_.tool_choice;
        if (mode == "AUTO") choice.kind = ToolChoice::Kind::automatic;
        if (mode == "NONE") choice.kind = ToolChoice::Kind::none;
        if (mode == "ANY") choice.kind = ToolChoice::Kind::any;
        const bool is_known = mode.empty() || mode == "MODE_UNSPECIFIED" || choice.kind != ToolChoice::Kind::unset;
        if (!is_known && mode != "VALIDATED") context_.losses.add("functionCallingConfig.mode");
        if (mode == "VALIDATED") {  // arguments that keep to the schema: other protocols say so of each function
            choice.kind = ToolChoice::Kind::automatic;
            context_.losses.add("functionCallingConfig.mode");
        }
        if (allowed_count == 1 && mode == "ANY") {
            choice.kind = ToolChoice::Kind::named;
            choice.name = only;
        } else if (allowed_count > 0) {
            context_.losses.add("functionCallingConfig.allowedFunctionNames");
        }
    }

    // generationConfig

    bool generation_config() {
        context_.error_param = "generationConfig";
        return each_field(cursor_, [&](const FieldName& field) { return sampling(field); });
    }

    bool sampling(const FieldName& field) {
        if (field == "temperature") return take_number(cursor_, request_.temperature);
        if (field == "topP") return take_number(cursor_, request_.top_p);
        if (field == "topK") return take_number(cursor_, request_.top_k);
        if (field == "seed") return take_number(cursor_, request_.seed);
        if (field == "presencePenalty") return take_number(cursor_, request_.presence_penalty);
        if (field == "frequencyPenalty") return take_number(cursor_, request_.frequency_penalty);
        if (field == "responseLogprobs") return take_flag(cursor_, request_.logprobs);
        if (field == "logprobs") return count(request_.top_logprobs, 20);
        if (field == "candidateCount") return count(request_.n, 128);
        if (field == "maxOutputTokens") return max_tokens();
        if (field == "stopSequences") return each_item(cursor_, [&] { return stop(); });
        return shape(field);
    }

    bool shape(const FieldName& field) {
        if (field == "responseMimeType") return mime_type();
        if (field == "responseSchema") return read_schema(cursor_, context_, request_.format.schema);
        if (field == "responseJsonSchema") return take_json(cursor_, request_.format.schema);
        if (field == "thinkingConfig") return thinking();
        if (field == "responseModalities") return modalities();
        return lose(cursor_, context_, "generationConfig.", field.view());
    }

    bool count(uint32_t& value, int64_t most) {
        std::optional<int64_t> read;
        if (!take_integer(cursor_, read)) return false;
        if (read && *read > 0) value = static_cast<uint32_t>(std::min(*read, most));
        return true;
    }

    bool max_tokens() {
        std::optional<int64_t> read;
        if (!take_integer(cursor_, read)) return false;
        if (read && *read > 0) request_.max_tokens = static_cast<uint64_t>(*read);
        return true;
    }

    bool stop() {
        Text word;
        if (!take_text(cursor_, word)) return false;
        if (has(word)) request_.stop.add(context_.arena, word);
        return true;
    }

    bool mime_type() {
        Text type;
        if (!take_text(cursor_, type)) return false;
        if (type == "application/json") {
            request_.format.kind = ResponseFormat::Kind::json_object;
        } else if (has(type) && !type.empty() && type != "text/plain") {
            context_.losses.add("generationConfig.responseMimeType");
        }
        return true;
    }

    bool modalities() {
        bool other = false;
        const bool good = each_item(cursor_, [&] {
            Text word;
            if (!take_text(cursor_, word)) return false;
            other |= has(word) && word != "TEXT" && word != "text";
            return true;
        });
        if (other) context_.losses.add("generationConfig.responseModalities");
        return good;
    }

    bool thinking() {
        return each_field(cursor_, [&](const FieldName& field) {
            if (field == "includeThoughts") return take_flag(cursor_, request_.reasoning.include_thoughts);
            if (field == "thinkingBudget") return take_integer(cursor_, request_.reasoning.budget_tokens);
            if (field == "thinkingLevel") return thinking_level();
            return lose(cursor_, context_, "thinkingConfig.", field.view());
        });
    }

    bool thinking_level() {
        Text word;
        if (!take_text(cursor_, word)) return false;
        std::array<char, 16> room{};
        const size_t bytes = std::min(word.size(), room.size());
        std::ranges::transform(word.substr(0, bytes), room.begin(),
                               [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
        request_.reasoning.effort = effort_named({room.data(), bytes});
        const bool is_told = has(word) && word != "THINKING_LEVEL_UNSPECIFIED";
        if (is_told && request_.reasoning.effort == Reasoning::Effort::unset)
            context_.losses.add("thinkingConfig.thinkingLevel");
        return true;
    }

    Cursor& cursor_;
    Context& context_;
    ChatRequest& request_;
    Message system_;
    ArenaList<Message> messages_;
    OpenCalls open_calls_;
    uint32_t made_ids_ = 0;
    bool has_contents_ = false;
    const char* unsupported_ = nullptr;
};

Result<void> refuse(Context& context, Errc code, const Fault& fault) {
    context.error_offset = fault.offset;
    return fail(code, Side::downstream, fault.what);
}

Result<void> finish_reading(RequestReader& reader, Cursor& cursor, bool good, Context& context) {
    if (reader.unsupported() != nullptr) return refuse(context, Errc::unsupported, cursor.fault());
    if (!good) return refuse(context, Errc::bad_message, cursor.fault());
    context.error_param = "";
    if (!cursor.at_end()) return refuse(context, Errc::bad_message, {"bytes behind the document", cursor.offset()});
    if (!reader.has_contents()) {
        context.error_param = "contents";
        return refuse(context, Errc::bad_message, {"contents are missing", 0});
    }
    reader.finish();
    return {};
}

}  // namespace

Result<void> read_request(std::string_view body, Context& context, ChatRequest& request) {
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(body, Structure::Utf8::checked, tokens, fault))
        return refuse(context, Errc::bad_message, fault);
    Cursor cursor(body, tokens);
    RequestReader reader(cursor, context, request);
    const bool good = reader.run();
    return finish_reading(reader, cursor, good, context);
}

Result<void> read_count_request(std::string_view body, Context& context, ChatRequest& request) {
    Tokens tokens;
    Fault fault;
    if (!context.structure.index(body, Structure::Utf8::checked, tokens, fault))
        return refuse(context, Errc::bad_message, fault);
    const auto is_wrapper = [](const Cursor& at, Range key) {
        return FieldName(at, key) == "generateContentRequest" && at.peek() == '{';
    };
    Cursor cursor(body, tokens);
    Cursor look = cursor;
    bool wrapped = false;
    const bool whole = look.each_member([&](Range key) {
        wrapped |= is_wrapper(look, key);
        return look.skip_value();
    });
    RequestReader reader(cursor, context, request);
    const bool good = !whole || !wrapped ? reader.run() : cursor.each_member([&](Range key) {
        return is_wrapper(cursor, key) ? reader.run() : cursor.skip_value();
    });
    return finish_reading(reader, cursor, good, context);
}

}  // namespace loom::llm::gemini
